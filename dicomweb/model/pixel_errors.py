"""What can be wrong with pixels, whoever reads them: raised by `dicomweb.pixels`, told by the doors."""

from __future__ import annotations


class PixelError(Exception):
    """Base of what the pixel code raises beside programming errors. No patient data in its text."""


class Undecodable(PixelError):
    """The bytes of this frame are not what its transfer syntax and its attributes say."""


class UnsupportedSyntax(PixelError):
    """There is no decoder or encoder for this, or the target cannot hold such samples."""


class TooLarge(PixelError):
    """What is declared, or asked for, is more than is let into memory."""
