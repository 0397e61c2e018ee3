"""The page `/sql`: a field for a statement, its rows, and what there is to ask about. No scripts, nothing fetched.

Its style is allowed by digest, so that nothing that comes out of the catalog could bring one of its own; and
everything that does is escaped.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from app.web.sql_formats import Found, as_text
from dicomweb.wire.exchange import Answer, HeaderFields

PAGE_ROWS = 500
"""Rows that the page shows."""
_STYLE = """
  :root { color-scheme: light dark; }
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 90rem; margin: 2rem auto; padding: 0 1rem; }
  textarea { width: 100%; box-sizing: border-box; font: 14px/1.4 ui-monospace, monospace; padding: .6rem; }
  button { font: inherit; padding: .2rem .9rem; }
  .scroll { overflow-x: auto; }
  table { border-collapse: collapse; font-size: .85rem; margin: 1rem 0; }
  th, td { text-align: left; padding: .15rem .7rem; border-bottom: 1px solid #8886; white-space: nowrap; }
  .wrong { border-left: .3rem solid #c33; padding-left: .8rem; white-space: pre-wrap; }
  td { max-width: 40rem; overflow: hidden; text-overflow: ellipsis; }
  tbody tr:hover { background: #8881; }
  pre { font: 13px/1.4 ui-monospace, monospace; margin: .4rem 1rem; }
  details { margin: .2rem 0; }
  summary { cursor: pointer; }
"""
_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_FIELDS: HeaderFields = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Cache-Control", "no-store"),
    (
        "Content-Security-Policy",
        f"default-src 'none'; style-src 'sha256-{_DIGEST}'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'",
    ),
    ("X-Frame-Options", "DENY"),
)
EXAMPLES = (
    (
        "Studies a month, and their size",
        """SELECT left(study_date, 6) AS month, count(*) AS studies, round(sum(bytes) / 1e9, 1) AS gb
FROM studies GROUP BY month ORDER BY month DESC""",
    ),
    (
        "The largest series",
        """SELECT modality, series_description, instances, round(bytes / 1e6) AS mb, study
FROM series ORDER BY bytes DESC LIMIT 20""",
    ),
    (
        "Scanners, by what they send",
        """SELECT manufacturer, manufacturer_model_name AS model, station_name AS station, count(*) AS series
FROM series GROUP BY ALL ORDER BY series DESC""",
    ),
    (
        "What was stored and removed, day by day",
        """SELECT date_trunc('day', time) AS day, kind, count(*) AS events
FROM events GROUP BY ALL ORDER BY day DESC, kind""",
    ),
)
_FIRST = """SELECT modality, count(*) AS series, sum(instances) AS instances
FROM series GROUP BY modality ORDER BY 2 DESC"""


@dataclass(frozen=True, slots=True)
class Described:
    """Something to ask about."""

    name: str
    rows: str
    """What one row stands for."""
    columns: Mapping[str, str]
    """What each means."""


def page(
    base: str,
    views: Sequence[Described],
    sql: str = "",
    found: Found | None = None,
    *,
    wrong: str = "",
    status: int = 200,
) -> Answer:
    """The page; with a statement, also what it `found`, or what was `wrong` with it."""
    action = escape(base) + "/sql"
    shown = _wrong(wrong) if wrong else _table(found) if found else ""
    text = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>SQL - Dicomlake</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>SQL</h1>
<form method="post" action="{action}">
<p><label for="sql">One SELECT, in DuckDB's dialect; nothing can be changed by it.</label></p>
<p><textarea id="sql" name="sql" rows="8" spellcheck="false" autofocus>
{escape(sql or _FIRST)}</textarea></p>
<p><button name="format" value="html">Ask</button> <button name="format" value="csv">CSV</button>
<button name="format" value="json">JSON</button> <button name="format" value="parquet">Parquet</button></p>
</form>
{shown}
<h2>Examples</h2>
{"".join(_example(action, told, one) for told, one in EXAMPLES)}
<h2>What there is to ask about</h2>
{"".join(map(_described, views))}
</body>
</html>
"""
    return Answer(status, _FIELDS, text.encode("utf-8", "replace"), compressible=True)


def _example(action: str, told: str, sql: str) -> str:
    """A form of its own, so that asking it needs no script."""
    return f"""<form method="post" action="{action}"><details><summary>{escape(told)}</summary>
<pre>{escape(sql)}</pre><input type="hidden" name="sql" value="{escape(sql)}">
<button name="format" value="html">Ask this</button></details></form>
"""


def _wrong(told: str) -> str:
    return f'<p class="wrong" role="alert">{escape(told)}</p>'


def _table(found: Found) -> str:
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in found.columns)
    rows = "\n".join(
        f"<tr>{''.join(f'<td>{escape(as_text(value))}</td>' for value in row)}</tr>" for row in found.rows
    )
    count = (
        f"The first {len(found.rows):,} rows; CSV and JSON have more."
        if found.truncated
        else f"Rows: {len(found.rows):,}."
    )
    head = f'<p>{count}</p><div class="scroll"><table><thead><tr>{heads}</tr></thead>'
    return f"{head}<tbody>\n{rows}\n</tbody></table></div>"


def _described(view: Described) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(meaning)}</td></tr>"
        for name, meaning in view.columns.items()
    )
    head = f"<details><summary><code>{escape(view.name)}</code>: {escape(view.rows)}</summary>"
    return f"{head}<table>{rows}</table></details>\n"
