"""How much memory one frame may take, judged from what its attributes declare before any of it is taken.

A few bytes can honestly stand for many: a black slide tile in JPEG 2000 is a hundred bytes. So small frames are
let in whatever their data, and large ones only if their data are in a sane proportion to them.
"""

from __future__ import annotations

from dataclasses import dataclass

from dicomweb.pixels.frame import TooLarge


@dataclass(frozen=True, slots=True)
class PixelLimits:
    """Bounds of one frame. Codecs take up to five times the decoded bytes while they work."""

    frame_bytes: int = 1 << 30
    """Most bytes of a decoded frame."""
    unquestioned_bytes: int = 32 << 20
    """Up to here a decoded frame may come out of any number of bytes."""
    expansion: int = 1000
    """Beyond that, most times that a decoded frame may be larger than its data."""

    def check(self, decoded_bytes: int, data_bytes: int) -> None:
        """Raises TooLarge if a frame of `decoded_bytes` is not to be made of `data_bytes`."""
        if decoded_bytes > self.frame_bytes:
            raise TooLarge(f"a frame of {decoded_bytes} bytes, at most {self.frame_bytes} are let into memory")
        if decoded_bytes > max(self.unquestioned_bytes, data_bytes * self.expansion):
            raise TooLarge(
                f"{data_bytes} bytes that are to become {decoded_bytes}, more than {self.expansion} times as much"
            )
