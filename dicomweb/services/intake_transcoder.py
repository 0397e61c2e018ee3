"""What is stored of an instance that comes in: policy and work together (fulfils `ports.IntakeTranscoder`).

The pixel code is loaded with the first instance that is to be converted.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from dicomweb.encoding.head import HeadLimits
from dicomweb.model.query import JsonAttributes
from dicomweb.ports import Compute, Transcoded
from dicomweb.services.intake_policy import TARGETS, IntakePolicy
from dicomweb.wire.transfer_syntaxes import DEFLATED_LITTLE, TRANSFER_SYNTAXES

_LOG = logging.getLogger(__name__)
_ROWS = "00280010"
_EXPLICIT = TARGETS["explicit"]
_AS_GOOD = {TARGETS["htj2k-lossless"]: frozenset((TARGETS["htj2k-lossless-rpcl"],))}
"""By wanted syntax: those that are a special case of it."""


@dataclass(frozen=True, slots=True)
class PolicyTranscoder:
    """Converts as the policy says; see the port."""

    policy: IntakePolicy
    compute: Compute
    most_bytes: int = 64 << 20
    """Pixel data that are larger than this when uncompressed are kept as they come."""
    limits: HeadLimits = field(default_factory=HeadLimits)

    def wanted(self, header: JsonAttributes, transfer_syntax: str) -> str:
        """See the port. Kept is what has no pixels, was compressed with loss, or is as wanted already."""
        target = self.policy.wanted(_first(header, "00080016"), _first(header, "00080060"))
        if not target or _ROWS not in header:
            return ""
        if transfer_syntax == target or transfer_syntax in _AS_GOOD.get(target, ()):
            return ""
        stored = TRANSFER_SYNTAXES.get(transfer_syntax)
        if stored is None or stored.lossy:
            return ""
        if target == _EXPLICIT and not stored.encapsulated and stored.uid != DEFLATED_LITTLE:
            return ""
        return target

    async def transcode(self, data: bytes, header: JsonAttributes, wanted: str) -> Transcoded | None:
        """See the port."""
        return await self.compute.run(lambda: self._transcode(data, wanted))

    def _transcode(self, data: bytes, wanted: str) -> Transcoded | None:
        from dicomweb.services.intake_conversion import NotConvertible, converted_whole

        try:
            return Transcoded(converted_whole(data, wanted, self.limits, most_bytes=self.most_bytes), wanted)
        except NotConvertible as error:
            _LOG.debug("an instance is kept as it came: %s", error)
            return None


def _first(header: JsonAttributes, tag: str) -> str:
    values = header.get(tag, {}).get("Value")
    return values[0] if values and isinstance(values[0], str) else ""
