"""The folding process belongs to its node and ends with it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

import pytest

from tests.app.processes import environment

NODE = """
import asyncio, sys
from storage.log.checkpoint import Checkpoint
from storage.objects.address import open_store
from tests.build.s3 import s3_settings
address = s3_settings(sys.argv[1], "bucket")
asyncio.run(Checkpoint(open_store(address), address).fold())
"""


@pytest.mark.skipif(os.name != "posix", reason="only there the parent of a process tells whether it lives")
def test_a_fold_ends_when_its_node_is_killed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        node = subprocess.Popen([sys.executable, "-c", NODE, url], env=environment())
        try:
            # a bucket that says nothing: the fold would wait for ten seconds and then ask again
            connection, _ = silent.accept()
            with connection:
                assert connection.recv(1)
                node.send_signal(signal.SIGKILL)
                node.wait()
                connection.settimeout(5)
                while connection.recv(1 << 16):
                    pass
        finally:
            node.kill()
            node.wait()
