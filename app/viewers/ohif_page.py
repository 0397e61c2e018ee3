"""OHIF's first page and its settings, made for the path by which a browser came.

The page names where its files lie (below their release, for ever the same) and where it is mounted; the settings
point it at the DICOMweb root of this server. Both are paths without a host, so they hold by whatever name. All
scripts are files, none stands in the page, which lets the page forbid those.
"""

from __future__ import annotations

import json
import re
from typing import Any

_INLINE_SCRIPT = re.compile(rb"<script>.*?</script>", re.DOTALL)
_WORKER_SCRIPT = re.compile(rb'<script[^>]*src="/init-service-worker\.js"[^>]*></script>')
_MANIFEST = re.compile(rb'<link rel="manifest"[^>]*>')
_SETTINGS_SCRIPT = re.compile(rb'<script[^>]*src="[^"]*/app-config\.js"[^>]*></script>')
_ROOTED = re.compile(rb'(\s(?:href|src|content)=")/(?!/)')

POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-eval'; worker-src 'self' blob:; style-src 'self' "
    "'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
    "media-src 'self' blob:; object-src 'self' blob:; frame-src 'self' blob:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'"
)
"""Content security policy: this server's own files alone. Styles may be inline, since its scripts set them so; and
the arrays of its segmentations (the package `ndarray`) are made of text that is evaluated."""


def page(original: bytes, files: str, settings: str) -> bytes:
    """The package's `index.html`, its files below the path `files` (slash at its end), settings at `settings`."""
    made = _INLINE_SCRIPT.sub(b"", original)
    made = _WORKER_SCRIPT.sub(b"", made)
    made = _MANIFEST.sub(b"", made)
    # functions and no templates, which would take parts of a path for references to groups
    made = _ROOTED.sub(lambda found: found[1] + files.encode(), made)
    return _SETTINGS_SCRIPT.sub(lambda _: b'<script src="' + settings.encode() + b'"></script>', made)


def settings_script(*, mount: str, files: str, dicomweb: str) -> bytes:
    """The script that the page loads first: where things are, and OHIF's settings.

    `mount` is the viewer's path, `files` that of its files, both with a slash at the end, `dicomweb` the root's.
    """
    lines = (
        f"window.PUBLIC_URL = {json.dumps(files)};",
        "window.browserImportFunction = (name) => import(name);",
        'console.time("scriptToView");',
        f"window.config = {json.dumps(settings(mount=mount, dicomweb=dicomweb), indent=1)};",
    )
    return "\n".join(lines).encode() + b"\n"


def settings(*, mount: str, dicomweb: str) -> dict[str, Any]:
    """OHIF's settings (its documentation: Configuration Files)."""
    return {
        "routerBasename": mount,
        "extensions": [],
        "modes": [],
        "showStudyList": True,
        "investigationalUseDialog": {"option": "never"},
        "maxNumberOfWebWorkers": 3,
        "showCPUFallbackMessage": True,
        "showLoadingIndicator": True,
        "strictZSpacingForVolumeViewport": True,
        "groupEnabledModesFirst": True,
        "maxNumRequests": {"interaction": 100, "thumbnail": 5, "prefetch": 25},
        # the tour of eleven steps would stand before the first picture
        "customizationService": [{"ohif.tours": {"$set": []}}],
        "defaultDataSourceName": "dicomweb",
        "dataSources": [
            {
                "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
                "sourceName": "dicomweb",
                "configuration": data_source(dicomweb),
            }
        ],
    }


def data_source(dicomweb: str) -> dict[str, Any]:
    """How OHIF is to ask this server, whose DICOMweb root is at the path `dicomweb`."""
    return {
        "friendlyName": "Dicomlake",
        "name": "dicomlake",
        "qidoRoot": dicomweb,
        "wadoRoot": dicomweb,
        "wadoUriRoot": dicomweb,
        "qidoSupportsIncludeField": True,
        "supportsFuzzyMatching": False,
        "supportsWildcard": True,
        "imageRendering": "wadors",
        # a picture drawn by the server costs less than a frame that the browser has to fetch, decode and draw
        "thumbnailRendering": "thumbnail",
        "thumbnailRequestStrategy": "fetch",
        "enableStudyLazyLoad": True,
        "singlepart": "bulkdata,video,pdf",
        "bulkDataURI": {"enabled": True},
        # without quotation marks in Accept a page of another origin needs no preflight for frames
        "omitQuotationForMultipartRequest": True,
        "dicomUploadEnabled": True,
    }
