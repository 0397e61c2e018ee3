"""A moto server, the S3 of the tests, in a process of its own, answering HTTP on a free port of the loopback."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from urllib.error import URLError
from urllib.request import urlopen

_START_SECONDS = 60.0
# Port 0 lets the system choose, so that suites running side by side do not collide; the choice is printed.
# One request is answered at a time, whole: moto looks whether an object is there and then writes it, and of two
# creates of one key at once, which S3 decides, now and then both have gone through.
_SERVER = """
import io, logging, sys, threading
logging.getLogger("werkzeug").disabled = True
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server
WSGIRequestHandler.protocol_version = "HTTP/1.1"
moto, turn = DomainDispatcherApplication(create_backend_app), threading.Lock()
def app(environ, start_response):
    # a client that stands still in the middle of a body keeps nobody waiting
    length = environ.get("CONTENT_LENGTH")
    chunked = environ.get("wsgi.input_terminated")
    body = environ["wsgi.input"].read(*(() if chunked else (int(length or 0),)))
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body)) if length or chunked else ""
    with turn:
        return [b"".join(moto(environ, start_response))]
server = make_server("127.0.0.1", 0, app, threaded=True)
print(server.server_port, flush=True)
server.serve_forever()
"""


@contextlib.contextmanager
def moto_server() -> Iterator[str]:
    """The URL of a server that ends with the context."""
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        url = f"http://127.0.0.1:{int(process.stdout.readline())}"
        _await_answer(url)
        yield url
    finally:
        process.terminate()
        process.communicate(timeout=10)


def _await_answer(url: str) -> None:
    end = time.monotonic() + _START_SECONDS
    while True:
        try:
            with urlopen(f"{url}/moto-api/", timeout=5):
                return
        except URLError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
