"""The parts of the README that are made from the program: settings, commands, resources, transfer syntaxes.

`python -m tests.build.readme` writes them anew; `tests/test_docs.py` fails where they differ.
"""

from __future__ import annotations

import re
from pathlib import Path

from app.cli import COMMANDS
from app.values import SettingInfo, all_settings, shown
from dicomweb.pixels.abilities import SYNTAXES
from dicomweb.services.conversions import TARGETS
from dicomweb.wire.paths import ROUTES
from dicomweb.wire.transfer_syntaxes import TRANSFER_SYNTAXES
from storage.catalog.sql_views import VIEWS
from storage.log.described import GROUPS
from storage.log.rows import SCHEMA

README = Path(__file__).parents[2] / "README.md"


def settings_table() -> str:
    """A row a setting, a heading a group."""
    lines: list[str] = []
    heading = None
    for info in all_settings():
        if info.group_help != heading:
            heading = info.group_help
            lines += ["", f"**{heading or 'General'}**", "", "| setting | default | meaning |", "|---|---|---|"]
        lines.append(f"| `{info.name}` | {_default(info)} | {_cell(info.help)}{_choices(info)} |")
    return "\n".join(lines).strip()


def commands_table() -> str:
    """A row a command."""
    rows = [f"| `dicomlake {command.NAME}` | {_cell(command.HELP)} |" for command in COMMANDS]
    return "\n".join(["| command | what it does |", "|---|---|", *rows])


def resources_table() -> str:
    """A row a transaction on a resource."""
    rows = [f"| {one.method} | `{one.template}` | {one.section} | {one.summary} |" for one in ROUTES]
    return "\n".join(["| method | resource | PS3.18 | |", "|---|---|---|---|", *rows])


def syntaxes_table() -> str:
    """A row a transfer syntax; those that are only given as they are stored in one line below."""
    rows: list[str] = []
    passed: list[str] = []
    for uid, syntax in TRANSFER_SYNTAXES.items():
        able = SYNTAXES[uid]
        if able.decodable or able.encodable:
            made = _mark(uid in TARGETS)
            rows.append(
                f"| {_cell(syntax.name)} | {uid} | `{syntax.media_type}` | {_mark(able.decodable)} | {made} "
                f"| {_mark(able.lossy)} |"
            )
        else:
            passed.append(uid.rpartition(".4.")[2])
    head = [
        "| transfer syntax | UID | media type of frames | decoded | made | lossy |",
        "|---|---|---|---|---|---|",
    ]
    rest = f"Given as stored and in no other form: 1.2.840.10008.1.2.4 with {', '.join(passed)}; and all others."
    return "\n".join([*head, *rows, "", rest])


def index_table() -> str:
    """The columns of the checkpoint table, a heading a group."""
    lines: list[str] = []
    for heading, columns in GROUPS.items():
        lines += ["", f"**{heading}**", "", "| column | type | meaning |", "|---|---|---|"]
        lines += [f"| `{name}` | {_type(name)} | {_cell(told)} |" for name, told in columns.items()]
    return "\n".join(lines).strip()


def _type(name: str) -> str:
    kind = str(SCHEMA.field(name).type)
    return {"string": "text", "large_string": "text", "int64": "integer", "bool": "boolean"}.get(
        kind, kind.split("[")[0]
    )


def views_table() -> str:
    """A row a view that SQL may ask about."""
    rows = [
        f"| `{view.name}` | {view.rows} | {', '.join(f'`{name}`' for name in view.columns)} |"
        for view in VIEWS.values()
    ]
    return "\n".join(["| view | a row is | columns |", "|---|---|---|", *rows])


def _mark(is_so: bool) -> str:
    return "yes" if is_so else ""


PARTS = {
    "settings": settings_table,
    "commands": commands_table,
    "resources": resources_table,
    "syntaxes": syntaxes_table,
    "index": index_table,
    "views": views_table,
}


def part_pattern(name: str) -> re.Pattern[str]:
    """Where a part stands, blank lines around it included."""
    return re.compile(rf"(?<=<!-- begin {name} -->\n).*?(?=<!-- end {name} -->)", re.DOTALL)


def _default(info: SettingInfo) -> str:
    if info.unit == "bytes" and isinstance(info.default, int):
        for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
            if info.default % size == 0:
                return f"`{info.default // size} {unit}`"
    text = shown(info, info.default)
    unit = f" {info.unit}" if info.unit in ("seconds", "days") else ""
    return f"`{text}`{unit}" if text != '""' else ""


def _choices(info: SettingInfo) -> str:
    return f": {', '.join(f'`{one}`' for one in info.choices)}" if info.choices else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def written(text: str) -> str:
    """The README with these parts as the program has them."""
    for name, make in PARTS.items():
        made = f"\n{make()}\n\n"
        text = part_pattern(name).sub(lambda _, made=made: made, text)
    return text


if __name__ == "__main__":
    README.write_text(written(README.read_text(encoding="utf-8")), encoding="utf-8")
