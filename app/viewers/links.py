"""Where a study opens in which viewer, and for which modalities that is offered.

The templates are below the server's address; `{study}` and `{series}` stand for UIDs. The rules about modalities
are those of the viewers' own modes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

_VOLUMES = ("CT", "MR", "PT", "NM")
"""Modalities whose series are volumes, as a rule."""
_WITHOUT_PICTURE = ("SEG", "RTSTRUCT", "RTPLAN", "RTRECORD", "PR", "SR", "KO", "REG", "RWV", "FID", "AU", "PLAN")
"""Modalities a viewer has nothing to show of by themselves."""


@dataclass(frozen=True, slots=True)
class Link:
    """One way to open a study."""

    id: str
    """`ohif-mpr`."""
    viewer: str
    """`ohif`."""
    name: str
    """What a user knows it by: `OHIF`."""
    mode: str
    """What it is for, in English, empty for the viewer's usual mode: `MPR`."""
    study: str
    """Template of the address of a study: `ohif/viewer?StudyInstanceUIDs={study}`."""
    series: str = ""
    """The same for a series; empty if it opens whole studies only."""
    needs: tuple[tuple[str, ...], ...] = ()
    """Modalities of which the study has to have all of one entry; empty: any will do."""
    not_only: tuple[str, ...] = ()
    """The study has to have a modality beside these."""
    excludes: tuple[str, ...] = ()
    """Modalities the study may not have."""

    def fits(self, modalities: Collection[str]) -> bool:
        """Whether a study with these modalities can be opened so."""
        had = set(modalities)
        if had & set(self.excludes) or not had - set(self.not_only):
            return False
        return not self.needs or any(set(entry) <= had for entry in self.needs)


def _ohif(
    id: str,
    mode: str,
    route: str,
    *,
    more: str = "",
    needs: tuple[tuple[str, ...], ...] = (),
    not_only: tuple[str, ...] = (),
    excludes: tuple[str, ...] = (),
) -> Link:
    study = f"ohif/{route}?StudyInstanceUIDs={{study}}"
    series = f"{study}&SeriesInstanceUIDs={{series}}"
    return Link(id, "ohif", "OHIF", mode, study + more, series + more, needs, not_only, excludes)


def _each(*modalities: str) -> tuple[tuple[str, ...], ...]:
    return tuple((modality,) for modality in modalities)


_NOT_A_STACK = (*_WITHOUT_PICTURE, "SM")
LINKS: tuple[Link, ...] = (
    _ohif("ohif", "", "viewer", not_only=_NOT_A_STACK),
    _ohif("ohif-mpr", "MPR", "viewer", more="&hangingprotocolId=mpr", needs=_each(*_VOLUMES)),
    _ohif("ohif-segmentation", "Segmentation", "segmentation", needs=_each(*_VOLUMES, "US", "XA", "MG")),
    _ohif("ohif-tmtv", "PET/CT", "tmtv", needs=(("PT", "CT"),), excludes=("SM",)),
    _ohif("ohif-microscopy", "Microscopy", "microscopy", needs=_each("SM")),
    Link(
        id="volview",
        viewer="volview",
        name="VolView",
        mode="3D",
        study="volview/?StudyInstanceUIDs={study}",
        series="volview/?StudyInstanceUIDs={study}&SeriesInstanceUIDs={series}",
        needs=_each(*_VOLUMES),
    ),
)
"""All there are, the best first."""


def links_for(modalities: Collection[str], viewers: Collection[str]) -> list[Link]:
    """How a study of these modalities can be opened with these viewers, the best first."""
    return [link for link in links_of(viewers) if link.fits(modalities)]


def links_of(viewers: Collection[str]) -> Iterable[Link]:
    """The links of these viewers."""
    return [link for link in LINKS if link.viewer in viewers]
