"""An S3 that answers everything the same way, or one that passes requests on without a header of theirs."""

from __future__ import annotations

import contextlib
import http.client
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Said:
    """An answer."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class OddS3:
    """A server that runs."""

    url: str = ""
    methods: list[str] = field(default_factory=list)
    """Of the requests it got."""


def error(status: int, code: str, message: str, headers: Mapping[str, str] | None = None, **more: str) -> Said:
    """An error document as S3 writes it; `more` are further elements."""
    told = "".join(f"<{name}>{text}</{name}>" for name, text in more.items())
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message>'
        f"{told}<RequestId>4442587FB7D0A2F9</RequestId></Error>"
    )
    return Said(status, body.encode(), headers or {})


@contextlib.contextmanager
def answering(said: Said, *, tls: tuple[Path, Path] | None = None) -> Iterator[OddS3]:
    """Whatever is asked, this is said; with `tls`, a certificate and its key, over HTTPS."""
    odd = OddS3()

    class Handler(_Handler):
        def answer(self, body: bytes) -> Said:
            odd.methods.append(self.command)
            return said

    with _running(Handler, odd, tls):
        yield odd


@contextlib.contextmanager
def without_header(url: str, name: str) -> Iterator[OddS3]:
    """The way to an S3 on which a header of every request gets lost."""
    odd, host = OddS3(), urlsplit(url).netloc

    class Handler(_Handler):
        def answer(self, body: bytes) -> Said:
            odd.methods.append(self.command)
            kept = {key: value for key, value in self.headers.items() if key.lower() != name.lower()}
            connection = http.client.HTTPConnection(host, timeout=20)
            try:
                connection.request(self.command, self.path, body, kept)
                got = connection.getresponse()
                data = got.read()
                own = {"connection", "transfer-encoding", "server", "date"}
                own |= {"content-length"} if self.command != "HEAD" else set()
                return Said(got.status, data, {k: v for k, v in got.getheaders() if k.lower() not in own})
            finally:
                connection.close()

    with _running(Handler, odd):
        yield odd


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, body: bytes) -> Said:
        raise NotImplementedError

    def _do(self) -> None:
        said = self.answer(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        self.send_response(said.status)
        headers = {"Content-Length": str(len(said.body)), **said.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(said.body)

    def log_message(self, format: str, *args: object) -> None:
        """Not into the output of the tests."""


for _method in ("GET", "HEAD", "PUT", "POST", "DELETE"):
    setattr(_Handler, f"do_{_method}", _Handler._do)


@contextlib.contextmanager
def _running(handler: type[_Handler], odd: OddS3, tls: tuple[Path, Path] | None = None) -> Iterator[None]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.daemon_threads = True
    odd.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
