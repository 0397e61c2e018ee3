"""Bounds that hostile or careless requests meet: one structure, whose fields are settings of the same names.

Every bound is checked before memory or time beyond it is spent. Passing one is answered with a status of its
own (413 for bodies and searches, 400 for lists), never by running out of something.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the DICOMweb services."""

    body_bytes: int = 64 << 30
    """Bytes of one request body (64 GiB): whole slides and studies are sent in one request."""
    parts: int = 100_000
    """Parts of one multipart body, entries of one zip, instances of one JSON or XML store request."""
    part_header_bytes: int = 16 << 10
    """Bytes of the header fields of one part."""
    metadata_bytes: int = 64 << 20
    """Bytes of the JSON or XML of one store request: they are held in memory."""
    bulk_bytes: int = 256 << 20
    """Bytes of the bulk data parts of one store request of JSON or XML: they are held in memory. What is larger is
    sent as application/dicom, which streams."""
    zip_ratio: int = 200
    """Inflated bytes of a zip to its own bytes, beyond the first 16 MiB."""
    max_studies: int = 5_000
    """Studies in one search answer, also if no limit is asked for."""
    max_series: int = 5_000
    """Series in one search answer."""
    max_instances: int = 50_000
    """Instances in one search answer."""
    query_keys: int = 100
    """Query parameters of one search."""
    query_values: int = 5_000
    """Values of one list in a search: UIDs, codes, attributes to include."""
    frame_list: int = 10_000
    """Frame numbers in one request."""
