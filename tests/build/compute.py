"""Work of the services, done at once instead of in threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


class DirectCompute:
    """Fulfils `dicomweb.ports.Compute`, and counts how often."""

    def __init__(self) -> None:
        self.runs = 0

    async def run(self, work: Callable[[], Result]) -> Result:
        """What the work gives."""
        self.runs += 1
        return work()
