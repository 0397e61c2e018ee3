"""What is stored of an instance that comes in: policy and work together (fulfils `ports.IntakeTranscoder`).

The pixel code is loaded with the first instance that is to be converted.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dicomweb.encoding.head import HeadLimits
from dicomweb.model.outcome import AsItCame, Unconverted
from dicomweb.model.query import JsonAttributes
from dicomweb.ports import Compute, Transcoded
from dicomweb.services.intake_policy import TARGETS, IntakePolicy
from dicomweb.wire.transfer_syntaxes import DEFLATED_LITTLE, TRANSFER_SYNTAXES

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
        target = self._target(header)
        return "" if not target or _spared(target, transfer_syntax) else target

    def spared(self, header: JsonAttributes, transfer_syntax: str) -> AsItCame | None:
        """See the port. What has no pixels is not spoken of."""
        target = self._target(header)
        return _spared(target, transfer_syntax) if target else None

    def _target(self, header: JsonAttributes) -> str:
        """What the policy says of an instance with pixels."""
        if _ROWS not in header:
            return ""
        return self.policy.wanted(_first(header, "00080016"), _first(header, "00080060"))

    async def transcode(self, data: bytes, header: JsonAttributes, wanted: str) -> Transcoded | AsItCame:
        """See the port."""
        return await self.compute.run(lambda: self._transcode(data, wanted))

    def _transcode(self, data: bytes, wanted: str) -> Transcoded | AsItCame:
        from dicomweb.services.intake_conversion import NotConvertible, converted_whole

        try:
            made = converted_whole(data, wanted, self.limits, most_bytes=self.most_bytes)
        except NotConvertible as error:
            return AsItCame(Unconverted.TOO_LARGE if error.too_large else Unconverted.NOT_HELD, str(error))
        if len(made) >= len(data) and wanted != _EXPLICIT:
            # whoever wants it uncompressed wants something else than room
            return AsItCame(Unconverted.NOT_SMALLER)
        return Transcoded(made, wanted)


def _spared(target: str, transfer_syntax: str) -> AsItCame | None:
    """Why nothing is made of an instance in that transfer syntax."""
    if transfer_syntax == target or transfer_syntax in _AS_GOOD.get(target, ()):
        return AsItCame(Unconverted.AS_WANTED)
    stored = TRANSFER_SYNTAXES.get(transfer_syntax)
    if stored is None:
        return AsItCame(Unconverted.NOT_HELD, "its transfer syntax is not known")
    if stored.lossy:
        return AsItCame(Unconverted.LOSSY)
    if target == _EXPLICIT and not stored.encapsulated and stored.uid != DEFLATED_LITTLE:
        return AsItCame(Unconverted.AS_WANTED)
    return None


def _first(header: JsonAttributes, tag: str) -> str:
    values = header.get(tag, {}).get("Value")
    return values[0] if values and isinstance(values[0], str) else ""
