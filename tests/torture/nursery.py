"""Nodes that begin within a fifth of the time: a process that has imported everything forks one after the other.

Of the 0.9 s of CPU that a start costs 0.75 are imports. Where nodes are killed as soon as they serve, that is most
of what the machine does, and few kills a minute come of it. A forked node runs the same command with the same
arguments, in an environment and with files of its own. It ends when this process ends.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.app.processes import environment
from tests.torture.skewed import put_on

_LOOK_SECONDS = 0.02
_BEFOREHAND = (
    *("app.cli", "app.assembly", "app.web.mount", "storage.objects.local", "storage.objects.s3"),
    *("duckdb", "pyarrow.parquet", "uvloop", "tests.torture.hasty"),
)


@dataclass
class Child:
    """A forked process."""

    pid: int
    returncode: int | None = None
    """As `subprocess` has it; None while it runs."""
    _ended: threading.Event = field(default_factory=threading.Event)

    def poll(self) -> int | None:
        """How it ended, None while it runs."""
        return self.returncode

    def wait(self, timeout: float) -> int:
        """How it ended. Raises TimeoutExpired."""
        if not self._ended.wait(timeout) or self.returncode is None:
            raise subprocess.TimeoutExpired("a forked node", timeout)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, if it is still there."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def end(self, status: int) -> None:
        """It has ended so."""
        self.returncode = os.waitstatus_to_exitcode(status)
        self._ended.set()


class Nursery:
    """Begins processes; a context manager."""

    def __init__(self, clock_ahead: float = 0.0) -> None:
        """`clock_ahead`: seconds by which their clocks are wrong."""
        self._clock_ahead = clock_ahead
        self._turn = threading.Lock()
        self._born: list[Child] = []
        self._birth = threading.Condition()
        self._children: dict[int, Child] = {}

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.torture.nursery", str(self._clock_ahead)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(), text=True, bufsize=1
        )
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._listener.join()

    def begin(
        self, arguments: Sequence[str], *, pace: str, extra: Mapping[str, str], out: Path, err: Path
    ) -> Child:
        """`dicomlake` with these arguments; `pace` as in `hasty`, `extra` is added to its environment."""
        order = {
            "arguments": list(arguments),
            "pace": pace,
            "extra": dict(extra),
            "out": str(out),
            "err": str(err),
        }
        with self._turn, self._birth:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(order) + "\n")
            while not self._born:
                if not self._birth.wait(60):
                    raise TimeoutError("no process was forked")
            return self._born.pop()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            what, pid, *status = line.split()
            if what == "began":
                with self._birth:
                    child = self._children[int(pid)] = Child(int(pid))
                    self._born.append(child)
                    self._birth.notify()
            else:
                self._children.pop(int(pid)).end(int(status[0]))


def _serve() -> None:
    """Fork for every line that comes in, tell who ended how; until nobody listens any more."""
    for name in _BEFOREHAND:
        importlib.import_module(name)
    alive: set[int] = set()
    orders = sys.stdin.fileno()
    rest = b""
    while True:
        if select.select([orders], [], [], _LOOK_SECONDS)[0]:
            if not (data := os.read(orders, 1 << 16)):
                break
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                if not (pid := os.fork()):
                    _become(json.loads(line))
                alive.add(pid)
                print("began", pid, flush=True)
        while alive:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            alive.discard(pid)
            print("ended", pid, status, flush=True)
    for pid in alive:
        os.kill(pid, signal.SIGKILL)


def _become(order: dict[str, Any]) -> None:
    """Be that node; never returns."""
    status = 1
    try:
        for path, descriptor, flags in (
            (os.devnull, 0, os.O_RDONLY),
            (order["out"], 1, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
            (order["err"], 2, os.O_WRONLY | os.O_CREAT | os.O_APPEND),
        ):
            os.dup2(os.open(path, flags, 0o644), descriptor)
        os.environ.update(order["extra"])
        sys.argv = ["dicomlake", *order["arguments"]]
        if order["pace"]:
            from tests.torture.hasty import make_hasty

            make_hasty(order["pace"])
        from app.cli import main

        status = main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    put_on(float(sys.argv[1]))
    _serve()
