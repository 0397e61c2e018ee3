"""What is told where a viewer is not installed: to a browser by a page, to others in one sentence."""

from __future__ import annotations

from html import escape

from app.viewers.pins import Pin
from dicomweb.wire.exchange import Answer, HeaderFields, WebError

_FIELDS: HeaderFields = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    ("Vary", "Accept"),
)
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} is not installed</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 42rem; margin: 3rem auto; padding: 0 1rem }}
pre {{ padding: .8rem 1rem; border: 1px solid color-mix(in srgb, currentColor 25%, transparent);
  border-radius: .4rem; overflow-x: auto }}
</style>
<h1>{title} is not installed</h1>
<p>This server can show studies in {title} {version}, once it is on its machine. There, run:</p>
<pre>dicomlake viewers install {viewer}</pre>
<p>It is fetched from the package registry that npm is set up for, or, where none can be reached, taken from a
folder with <code>--from FOLDER</code>; <code>dicomlake viewers install --help</code> says more. Then load this
page again: the server need not be restarted.</p>
<p><a href="{base}/ui/">Back to the studies</a></p>
</html>
"""


def absent(pin: Pin, *, page: bool, base: str) -> Answer:
    """The answer. Raises WebError 404 if no page is wanted."""
    if not page:
        raise WebError(
            404, f"{pin.title} is not installed on this server: run `dicomlake viewers install {pin.viewer}`"
        )
    made = _PAGE.format(
        title=escape(pin.title), version=escape(pin.packages[0].version), viewer=pin.viewer, base=escape(base)
    )
    return Answer(404, _FIELDS, made.encode(), compressible=True)
