"""VolView: what of its package is served, and the icons that its page would otherwise fetch from elsewhere."""

from __future__ import annotations

from app.viewers.adapting import Adaptation, Change

_BESIDE_THE_PAGE = (
    b'const t=new URL(document.location),n=t.origin,o=t.pathname.split("/");return o.pop(),n+o.join("/")+e'
)

VOLVIEW_ADAPTATION = Adaptation(
    root="package/dist/",
    left_out=("*.map",),
    changes=(
        # its readers in WebAssembly are looked for beside the page; they lie beside the scripts
        Change("assets/index-*.js", _BESIDE_THE_PAGE, b'return new URL(".."+e,import.meta.url).href'),
    ),
    extra=("package/LICENSE",),
)

ICONS_ADAPTATION = Adaptation(
    root="package/",
    into="icons/",
    left_out=(
        "scss/*",
        "preview.html",
        "*.map",
        "css/materialdesignicons.css",
        "*.eot",
        "*.ttf",
        "*.woff",
        "*.md",
    ),
)
"""The Material Design Icons as a font, for which VolView's page names a foreign server."""
