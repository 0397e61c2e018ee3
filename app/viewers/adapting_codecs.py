"""Decoders of the quick viewer in WebAssembly, as modules for its worker.

    openjpeg/   JPEG 2000, and HTJ2K, which OpenJPEG does faster there than OpenJPH does
    charls/     JPEG-LS

They are the decoders that the server has too, so pictures are the same by whichever they are made. Their scripts
are written for pages and for Node; a line makes them modules.
"""

from __future__ import annotations

from app.viewers.adapting import Adaptation, Change

_ENDING = b"if (typeof exports === 'object' && typeof module === 'object') {"


def _decoder(library: str, name: str, extra: str) -> Adaptation:
    """The half of a package that decodes, without WebAssembly that also encodes and what needs none.

    `name` is what its script calls what it defines.
    """
    return Adaptation(
        root="package/dist/",
        into=f"{library}/",
        left_out=(f"{library}js*", f"{library}wasm.*"),
        changes=(
            Change(f"{library}wasm_decode.js", _ENDING, b"export default " + name.encode() + b";\n" + _ENDING),
        ),
        extra=(extra,),
    )


OPENJPEG_ADAPTATION = _decoder("openjpeg", "OpenJPEGWASM", "package/package.json")
"""Its package has no file with the licence, but names it."""
CHARLS_ADAPTATION = _decoder("charls", "CharLSWASM", "package/LICENSE")
