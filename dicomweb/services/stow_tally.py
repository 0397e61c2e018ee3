"""What became of everything in one store request, in the order it came.

Instances go to the archive, which answers for them at the end; what never got that far (a part of a strange
type, a damaged zip entry) is refused here. Both are told under a label that says where in the request it was:
`part 3`, `entry 12`. File names are not told, they often hold a patient's.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass

from dicomweb.model.keys import InstanceKey
from dicomweb.model.outcome import Failure, Outcome, Reason, Receipt
from dicomweb.ports import Submission


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one part of a request."""

    label: str
    receipt: Receipt


class Tally:
    """Hands instances to a submission and remembers what was refused before it."""

    def __init__(self, submission: Submission) -> None:
        self._submission = submission
        self._places: list[str | Told] = []
        self.skipped = 0
        """Things passed over without a word, such as the DICOMDIR of a medium."""

    async def add(self, label: str, chunks: AsyncIterable[bytes]) -> None:
        """Hand in one instance. What `chunks` raises goes through; then there is nothing to tell of it yet."""
        await self._submission.add(chunks)
        self._places.append(label)

    def refuse(self, label: str, message: str, key: InstanceKey | None = None, sop_class: str = "") -> None:
        """Note what cannot be handed in, and why. `message` holds no patient data."""
        failure = Failure(Reason.CANNOT_UNDERSTAND, message)
        self._places.append(Told(label, Receipt(Outcome.REFUSED, key, sop_class, failure=failure)))

    async def finish(self) -> Sequence[Told]:
        """Commit; everything that was handed in or refused, in its order. Raises Unavailable."""
        receipts = iter(await self._submission.finish())
        return [place if isinstance(place, Told) else Told(place, next(receipts)) for place in self._places]
