"""Which viewers and codecs are installed, at which versions: the one page to change for a newer one.

A package is taken from a package registry in the form npm knows; what comes is compared with the SHA-512 written
here, so that it does not matter who hands it out.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.viewers.adapting import Adaptation
from app.viewers.adapting_codecs import CHARLS_ADAPTATION, OPENJPEG_ADAPTATION
from app.viewers.adapting_ohif import OHIF_ADAPTATION
from app.viewers.adapting_volview import ICONS_ADAPTATION, VOLVIEW_ADAPTATION


@dataclass(frozen=True, slots=True)
class Package:
    """One package of a registry."""

    name: str
    """`@ohif/app`."""
    version: str
    integrity: str
    """SHA-512 of the tarball in base64, as `dist.integrity` of the registry has it, without its `sha512-`."""
    size: int
    """Bytes of the tarball: to tell how far a download is, and to end one that does not end."""
    adaptation: Adaptation
    """Which of its files are taken, and how they are changed."""

    @property
    def file_name(self) -> str:
        """`app-3.13.2.tgz`: the end of its address, and what `npm pack` would call it but for the scope."""
        return f"{self.name.rpartition('/')[2]}-{self.version}.tgz"


@dataclass(frozen=True, slots=True)
class Pin:
    """One viewer, as this version of the program installs it."""

    viewer: str
    """`ohif`: the first segment of its path."""
    title: str
    licence: str
    packages: tuple[Package, ...]
    """The viewer itself first; then what its pages would otherwise fetch from elsewhere."""
    revision: int
    """Raised when the adaptation changes, since its files are kept by browsers for ever under one release."""

    @property
    def release(self) -> str:
        """`3.13.2-1`: what the folder of an installation and the paths of its files are called by."""
        return f"{self.packages[0].version}-{self.revision}"


VIEWERS: tuple[Pin, ...] = (
    Pin(
        viewer="ohif",
        title="OHIF",
        licence="MIT",
        packages=(
            Package(
                name="@ohif/app",
                version="3.13.2",
                integrity="WZdxmpmG7rqFgW9ZJLcbgr3XCtLi1KDNPoMaeY5PPe6j4G4fjEjjkycZM6C6Zk2F87BKxFfpq+jd5xXZB9E8EA==",
                size=49_906_651,
                adaptation=OHIF_ADAPTATION,
            ),
        ),
        revision=1,
    ),
    Pin(
        viewer="volview",
        title="VolView",
        licence="Apache-2.0",
        packages=(
            Package(
                name="volview",
                version="4.4.1",
                integrity="dYFSHLzBZXDz5Cb/QX3oMndSrVO9cClHlpO0xNobZ2L6UDlMpNF5U1M1j67oFwbmT+trrhueulXHFHekeIlxVg==",
                size=62_543_668,
                adaptation=VOLVIEW_ADAPTATION,
            ),
            Package(
                name="@mdi/font",
                version="7.4.47",
                integrity="43MtGpd585SNzHZPcYowu/84Vz2a2g31TvPMTm9uTiCSWzaheQySUcSyUH/46fPnuPQWof2yd0pGBtzee/IQWw==",
                size=2_412_577,
                adaptation=ICONS_ADAPTATION,
            ),
        ),
        revision=1,
    ),
)

CODECS = Pin(
    viewer="codecs",
    title="Codecs of the quick viewer",
    licence="MIT",
    packages=(
        Package(
            name="@cornerstonejs/codec-openjpeg",
            version="1.3.6",
            integrity="bSdZXF+2GxfBkWHUr7yGLQtIwbAm9wOl3e4ARee/9Z9lfKyVqhUCixI6+ZjIn9YKTIuDcn/NZNK94XEUg1SBtw==",
            size=593_123,
            adaptation=OPENJPEG_ADAPTATION,
        ),
        Package(
            name="@cornerstonejs/codec-charls",
            version="1.2.7",
            integrity="kNfQ7J8LIrfQUbt56fPJ0SEvevLlAAbsLHjqPS4DUDWVSuAHb5Fn0cMIV/U0SYkJRJqKvzyLJYF1hl7/xQGqLQ==",
            size=328_363,
            adaptation=CHARLS_ADAPTATION,
        ),
    ),
    revision=1,
)
"""What the quick viewer decodes compressed frames with; without it the server does."""
PINS: tuple[Pin, ...] = (*VIEWERS, CODECS)
"""All that is installed in the same way, and served below a path of its own."""


def pin_of(viewer: str) -> Pin | None:
    """The pin of that viewer."""
    return next((pin for pin in PINS if pin.viewer == viewer), None)
