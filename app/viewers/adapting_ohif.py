"""OHIF: what of its package is served, and what is changed in it.

Its build knows one path, `/`, for everything it loads. Each bundle has a line that sets it; here that line asks
where the bundle itself was loaded from, or, in the page, what the page says (`PUBLIC_URL`, see `ohif_page.py`).

Left out: source maps; what only other installations of it need (service worker, redirects, log-in by OIDC); and
`ort`, 136 MB of ONNX runtime for a tool that fetches its model from a foreign server, which an archive that works
offline cannot offer.
"""

from __future__ import annotations

from app.viewers.adapting import Adaptation, Change

_WHERE = b'(self.PUBLIC_URL || new URL("./", self.location.href).href)'
"""In the page what the page says; in a worker, which has no page, the folder of its own script."""

OHIF_ADAPTATION = Adaptation(
    root="package/dist/",
    left_out=(
        "*.map",
        "ort/*",
        "_headers",
        "_redirects",
        "app-config.js",
        "es6-shim.min.js",
        "google.js",
        "init-service-worker.js",
        "manifest.json",
        "oidc-client.min.js",
        "polyfill.min.js",
        "serve.json",
        "silent-refresh.html",
        "sw.js",
    ),
    changes=(
        Change("*.js", b'__webpack_require__.p = "/"', b"__webpack_require__.p = " + _WHERE),
        Change(
            "app.bundle.*.js",
            b"browserImportFunction('/dicom-microscopy-viewer/",
            b"browserImportFunction(window.PUBLIC_URL + 'dicom-microscopy-viewer/",
        ),
        Change("*.css", b"url(/", b"url("),
        # one study whose series name no modality, and the list of all studies is an error
        Change(
            "app.bundle.*.js",
            b"i < ModalitiesInStudy.Value.length",
            b"i < (ModalitiesInStudy.Value || []).length",
        ),
    ),
    extra=("package/LICENSE",),
)
