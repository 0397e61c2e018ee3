"""How long a writer holds back before it tries a log number, so that no other one loses time and again.

Whoever wins a number can try the next at once; all others have to read the winner's entry first. Without courtesy
the winner of one would win the next as well, for as long as it has something to write. So whoever has lost fewer
numbers than is usual waits a little, the longer the fewer it has lost: the one that has lost most goes first, and
whoever won last goes last. What is usual is in the log, since every entry tells how many its writer lost before.

It is advice to oneself and nothing depends on it: a node that does not follow it, or that has died, only costs the
others a part of a request's time. Where no entry tells of a number lost nobody waits.
"""

from __future__ import annotations

import asyncio
from collections import deque

_LATELY = 8
"""Entries that tell what is usual now."""
_LATELY_SECONDS = 2.0
"""How long they tell it."""
_STEP = 0.5
"""What to wait for each number that one has lost fewer than usual, of a request's time."""
_MOST = 3.0
"""The longest wait, of a request's time."""
_SLOWEST = 0.25
"""Seconds of a request beyond which nobody is made to wait for longer."""
_QUICKEST = 0.01
"""Seconds of a request below which courtesy would cost more than it brings."""
_MOST_LOST = 64
_BUSY = 4.0
"""Requests' time between two entries beyond which whoever has something to write finds its chance."""
_OUTPACED = 3.0
"""Entries that others write within a request of this node's, to be called outpaced by them."""
_SAMPLES = 9
"""Requests whose median is what one takes: a node that is held up, or one slow answer, is no reason to wait."""


class Courtesy:
    """Knows how other writers fare, and how long a request takes."""

    def __init__(self) -> None:
        self._lately: deque[int] = deque(maxlen=_LATELY)
        self._times: deque[float] = deque(maxlen=_LATELY)
        self._samples: deque[float] = deque(maxlen=_SAMPLES)
        self._request = 0.0

    def meet(self, lost: int) -> None:
        """An entry has come whose writer, this node or another, had lost so many numbers before."""
        self._lately.append(min(lost, _MOST_LOST))
        self._times.append(_now())

    def took(self, seconds: float) -> None:
        """A request to create an entry took so long."""
        self._samples.append(min(seconds, 1.0))
        self._request = sorted(self._samples)[(len(self._samples) - 1) // 2]

    @property
    def busy(self) -> bool:
        """Whether entry follows entry, so that somebody may wait of whom nobody knows."""
        if self._request < _QUICKEST or len(self._times) < _LATELY:
            return False
        return _now() - self._times[0] < _BUSY * _LATELY * self._request

    def request_seconds(self, lost: int) -> float:
        """How long a request takes; 0 if there is nobody to be courteous to.

        `lost` counts the numbers that this node has lost with what it has to write now.
        """
        if self._request < _QUICKEST:
            return 0.0
        lately = any(self._lately) and _now() - self._times[-1] < _LATELY_SECONDS
        return self._request if lost or lately else 0.0

    def wait_seconds(self, lost: int) -> float:
        """How long to hold back, if no entry of another comes meanwhile."""
        request = min(self.request_seconds(lost), _SLOWEST)
        if not request or not self._lately:
            return 0.0
        return request * min(_STEP * max(0.0, self.usual - lost), _MOST)

    @property
    def outpaced(self) -> bool:
        """Whether others write several entries while this node makes one request: it had better look, not try."""
        if len(self._times) < _LATELY:
            return False
        between = (self._times[-1] - self._times[0]) / (_LATELY - 1)
        return self._request > _OUTPACED * between

    @property
    def usual(self) -> float:
        """How many numbers are lost usually, by those who win one.

        Between the median, by which too many would go at once, and nearly the most, by which too many would wait.
        """
        lately = sorted(self._lately)
        return (lately[len(lately) // 2] + lately[-2]) / 2 if len(lately) > 1 else sum(lately)


def _now() -> float:
    return asyncio.get_running_loop().time()
