"""Small packages in the form of the viewers', and a registry that hands them out."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from app.viewers.pins import Package, Pin, pin_of

OHIF_PAGE = (
    b'<!doctype html><script>window.PUBLIC_URL="/"</script><link rel="manifest" href="/manifest.json">'
    b'<link rel="icon" href="/assets/icon.png"><script rel="preload" as="script" src="/app-config.js"></script>'
    b'<script type="module" src="/init-service-worker.js"></script><title>OHIF Viewer</title>'
    b'<script defer src="/app.bundle.abc.js"></script><link href="/app.bundle.css" rel="stylesheet">'
)
OHIF_SCRIPT = (
    b"__webpack_require__.p = \"/\"; window.browserImportFunction('/dicom-microscopy-viewer/viewer.js');\n"
    b"for (let i = 0; i < ModalitiesInStudy.Value.length; i++) {}\n" + b"// words\n" * 20_000
)
OHIF_FILES = {
    "package/LICENSE": b"MIT",
    "package/README.md": b"not taken",
    "package/dist/index.html": OHIF_PAGE,
    "package/dist/app.bundle.abc.js": OHIF_SCRIPT,
    "package/dist/app.bundle.css": b"@font-face{src:url(/a.woff2)}" + b" " * 2000,
    "package/dist/app-config.js": b"not taken",
    "package/dist/sw.js": b"not taken",
    "package/dist/app.bundle.abc.js.map": b"not taken",
    "package/dist/ort/ort.wasm": b"not taken",
    "package/dist/a.woff2": b"font" * 1000,
}
VOLVIEW_PAGE = (
    b'<!doctype html><link rel="icon" href="./favicon.ico"><title>VolView</title>'
    b'<link rel="stylesheet" href="https://fonts.example/css">'
    b'<script type="module" src="./assets/index-1.js"></script>'
)
VOLVIEW_SCRIPT = (
    b'const Vo=e=>{const t=new URL(document.location),n=t.origin,o=t.pathname.split("/");'
    b'return o.pop(),n+o.join("/")+e};'
)
VOLVIEW_FILES = {
    "package/dist/index.html": VOLVIEW_PAGE,
    "package/dist/assets/index-1.js": VOLVIEW_SCRIPT,
    "package/dist/itk/read.wasm.zst": b"packed",
}
CODEC_SCRIPT = b"var %s = 1;\nif (typeof exports === 'object' && typeof module === 'object') {}\n"
OPENJPEG_FILES = {
    "package/package.json": b"{}",
    "package/dist/openjpegwasm_decode.js": CODEC_SCRIPT % b"OpenJPEGWASM",
    "package/dist/openjpegwasm_decode.wasm": b"\0asm" * 500,
    "package/dist/openjpegwasm.wasm": b"not taken",
    "package/dist/openjpegjs_decode.js": b"not taken",
}
CHARLS_FILES = {
    "package/LICENSE": b"MIT",
    "package/dist/charlswasm_decode.js": CODEC_SCRIPT % b"CharLSWASM",
}
ICON_FILES = {"package/css/materialdesignicons.min.css": b"@font-face{}", "package/scss/a.scss": b"not taken"}


def tarball(files: Mapping[str, bytes], *, link: str = "") -> bytes:
    """A package of these files; `link` is the name of a symbolic link to a file outside."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        if link:
            member = tarfile.TarInfo(link)
            member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(member)
    return packed.getvalue()


def pinned(viewer: str, *tarballs: bytes) -> Pin:
    """The pin of a viewer as it is, but for its packages being these tarballs."""
    pin = pin_of(viewer)
    assert pin is not None
    packages = tuple(_package(one, data) for one, data in zip(pin.packages, tarballs, strict=True))
    return replace(pin, packages=packages)


def small_ohif() -> tuple[Pin, bytes]:
    """An OHIF of a few files, and its tarball."""
    data = tarball(OHIF_FILES)
    return pinned("ohif", data), data


def small_volview() -> tuple[Pin, tuple[bytes, bytes]]:
    """A VolView of a few files, and its tarballs."""
    data = tarball(VOLVIEW_FILES), tarball(ICON_FILES)
    return pinned("volview", *data), data


def small_codecs() -> tuple[Pin, tuple[bytes, bytes]]:
    """Codecs of a few bytes, and their tarballs."""
    data = tarball(OPENJPEG_FILES), tarball(CHARLS_FILES)
    return pinned("codecs", *data), data


def _package(package: Package, data: bytes) -> Package:
    integrity = base64.b64encode(hashlib.sha512(data).digest()).decode()
    return replace(package, integrity=integrity, size=len(data))


@dataclass(slots=True)
class Registry:
    """What a registry has, and was asked for."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    """By path."""
    asked: list[str] = field(default_factory=list)

    def add(self, package: Package, data: bytes, *, elsewhere: str = "") -> None:
        """Have a tarball: where registries have it, or `elsewhere`, which only its description tells."""
        if not elsewhere:
            self.files[f"/npm/{package.name}/-/{package.file_name}"] = data
            return
        self.files[elsewhere] = data
        told = {"dist": {"tarball": self.address.removesuffix("/npm") + elsewhere}}
        self.files[f"/npm/{package.name.replace('/', '%2F')}/{package.version}"] = json.dumps(told).encode()


@contextlib.contextmanager
def registry() -> Iterator[Registry]:
    """A registry on a port of its own."""
    held = Registry()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the name that http.server calls
            held.asked.append(self.path)
            data = held.files.get(self.path)
            self.send_response(200 if data is not None else 404)
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            self.wfile.write(data or b"")

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    held.address = f"http://127.0.0.1:{httpd.server_port}/npm"
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    try:
        yield held
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()
