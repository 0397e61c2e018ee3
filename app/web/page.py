"""Tells browsers from programs, where both ask for the same address."""

from __future__ import annotations


def wants_page(accept: str) -> bool:
    """Whether this Accept header is a browser's that is to show something; programs ask for JSON or anything."""
    return "text/html" in accept.lower()
