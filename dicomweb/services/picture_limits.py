"""What pictures may cost, and how they come out where no client says how: one structure, from the settings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PictureLimits:
    """Bounds and defaults of rendered pictures."""

    frame_pixels: int = 100_000_000
    """Pixels of a frame that is decoded."""
    viewport_pixels: int = 36_000_000
    """Pixels of a viewport, width x height."""
    jpeg_quality: int = 90
    """1 to 100, where the client names none."""
    thumbnail_side: int = 256
    """Pixels of the box that a thumbnail fits into, where the client names no viewport."""
    animation_frames: int = 2_000
    """Frames of one GIF or MP4."""
    animation_bytes: int = 384 << 20
    """Bytes of all pictures of one GIF or MP4 before they are encoded, one after the other."""
