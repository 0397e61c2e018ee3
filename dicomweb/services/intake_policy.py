"""Which transfer syntax new instances are to be stored in: the setting `intake_transcoding`, read and asked.

    entries     CT=htj2k-lossless   1.2.840.10008.5.1.4.1.1.2.1=keep   *=rle
    told of     Modality            SOP Class UID                      everything

The closest entry counts: SOP class before modality before `*`. Only transfer syntaxes that lose nothing can be
named, since what is stored is all that is left.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

KEEP = "keep"

TARGETS: Mapping[str, str] = {
    "htj2k-lossless": "1.2.840.10008.1.2.4.201",
    "htj2k-lossless-rpcl": "1.2.840.10008.1.2.4.202",
    "jpeg2000-lossless": "1.2.840.10008.1.2.4.90",
    "jpeg-ls-lossless": "1.2.840.10008.1.2.4.80",
    "jpeg-xl-lossless": "1.2.840.10008.1.2.4.110",
    "rle": "1.2.840.10008.1.2.5",
    "explicit": "1.2.840.10008.1.2.1",
}
"""Short names of the transfer syntaxes that can be asked for."""

_UID = re.compile(r"[0-9]+(\.[0-9]+)+")
_MODALITY = re.compile(r"[A-Z0-9 _]{1,16}")


class BadPolicy(ValueError):
    """An entry that says nothing that could be done."""


@dataclass(frozen=True, slots=True)
class IntakePolicy:
    """What is wanted of new instances."""

    by_sop_class: Mapping[str, str] = field(default_factory=dict)
    """Transfer Syntax UIDs by SOP Class UID; empty ones mean `keep`."""
    by_modality: Mapping[str, str] = field(default_factory=dict)
    otherwise: str = ""

    def wanted(self, sop_class: str, modality: str) -> str:
        """The transfer syntax for such an instance, empty to keep it as it comes."""
        found = self.by_sop_class.get(sop_class)
        if found is None:
            found = self.by_modality.get(modality)
        return self.otherwise if found is None else found

    def __bool__(self) -> bool:
        """Whether anything at all is to be converted."""
        return bool(self.otherwise or any(self.by_sop_class.values()) or any(self.by_modality.values()))


def read_policy(entries: Iterable[str]) -> IntakePolicy:
    """The policy that entries such as `CT=htj2k-lossless` tell. Raises BadPolicy."""
    told: dict[str, str] = {}
    for entry in entries:
        about, equals, target = (part.strip() for part in entry.partition("="))
        if not (equals and about and target):
            raise BadPolicy(f"expected entries such as CT=htj2k-lossless, not {entry!r}")
        if about != "*" and not _UID.fullmatch(about):
            about = about.upper()
            if not _MODALITY.fullmatch(about):
                raise BadPolicy(f"{about!r} in {entry!r} is neither a modality, nor a SOP Class UID, nor *")
        if about in told:
            raise BadPolicy(f"{about} is told of twice")
        told[about] = _target(target, entry)
    return IntakePolicy(
        {about: uid for about, uid in told.items() if _UID.fullmatch(about)},
        {about: uid for about, uid in told.items() if about != "*" and not _UID.fullmatch(about)},
        told.get("*", ""),
    )


def _target(name: str, entry: str) -> str:
    if name.lower() == KEEP:
        return ""
    uid = TARGETS.get(name.lower(), name)
    if uid not in TARGETS.values():
        offers = ", ".join((KEEP, *TARGETS))
        raise BadPolicy(f"{name!r} in {entry!r} is not a lossless transfer syntax this archive writes: {offers}")
    return uid
