"""Reads every import: the three rooms keep to their walls (README, "How it is built").

app → storage → dicomweb, never back; within a room the folders bottom up; doors do not know one another.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FORBIDDEN = {
    "dicomweb": (
        # the language: no files, sockets, databases, servers
        {"app", "storage", "tests"}
        | {"aiohttp", "aiobotocore", "boto3", "botocore", "duckdb", "deltalake", "pyarrow", "pynetdicom", "uvloop"}
        | {"socket", "sqlite3", "tempfile", "shutil", "subprocess", "http.client", "http.server", "urllib.request"}
    ),
    "storage": {"app", "tests", "aiohttp.web", "pynetdicom", "http.server", "uvloop"},
    "app": {"tests", "duckdb", "deltalake", "pyarrow", "sqlite3", "aiobotocore", "boto3", "botocore"},
}

STORAGE_MAY_IMPORT_OF_DICOMWEB = ("dicomweb.model", "dicomweb.encoding", "dicomweb.ports")

ORDER = {
    # each folder may import those left of it, and itself
    "dicomweb": ["model", "encoding", "ports", "wire", "pixels", "slides", "services"],
    "storage": ["layout", "objects", "derived", "log", "frames", "catalog", "archive", "upkeep"],
}

ALLOWED_AGAINST_THE_ORDER: dict[tuple[str, str], str] = {}

DOORS = ("app.web", "app.native", "app.dimse", "app.ui", "app.viewers")

CONSTRUCTED_IN_ASSEMBLY_ALONE = {
    "LakeArchive",
    "LocalStore",
    "S3Store",
    "MemoryStore",
    "Catalog",
    "Journal",
    "TieredCache",
    "Upkeep",
}


@dataclass(frozen=True, slots=True)
class Import:
    """One import statement."""

    importer: str
    """Dotted name of the module it stands in."""
    imported: str
    """Dotted name of what it imports, names of a `from` import included."""
    line: int


def modules(room: str) -> list[Path]:
    """Every module of a room."""
    return sorted((ROOT / room).rglob("*.py"))


def dotted(path: Path) -> str:
    """`storage/objects/local.py` to `storage.objects.local`."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def imports(room: str) -> tuple[Import, ...]:
    """Every import of a room, those within functions too."""
    return tuple(one for path in modules(room) for one in imports_of(path))


def imports_of(path: Path) -> Iterator[Import]:
    """The imports of a module."""
    name = dotted(path)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (Import(name, alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            yield from (Import(name, f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def within(imported: str, package: str) -> bool:
    """Whether a dotted name lies in a package."""
    return imported == package or imported.startswith(package + ".")


@pytest.mark.parametrize("room", ["dicomweb", "storage", "app"])
def test_a_room_imports_only_what_it_may(room: str) -> None:
    wrong = [one for one in imports(room) if any(within(one.imported, name) for name in FORBIDDEN[room])]

    assert wrong == []


def test_storage_knows_words_encodings_and_ports_but_no_services() -> None:
    wrong = [
        one
        for one in imports("storage")
        if within(one.imported, "dicomweb")
        and not any(within(one.imported, name) for name in STORAGE_MAY_IMPORT_OF_DICOMWEB)
    ]

    assert wrong == []


def test_only_the_way_to_a_bucket_speaks_http() -> None:
    speaking = {one.importer for one in imports("storage") if within(one.imported, "aiohttp")}

    assert all(name.startswith("storage.objects.s3") for name in speaking)


@pytest.mark.parametrize("room", sorted(ORDER))
def test_folders_of_a_room_build_on_those_below_them(room: str) -> None:
    order = ORDER[room]
    wrong = []
    for one in imports(room):
        if not within(one.imported, room):
            continue
        importer, imported = one.importer.split(".")[1], one.imported.split(".")[1]
        if order.index(imported) > order.index(importer) and (importer, imported) not in ALLOWED_AGAINST_THE_ORDER:
            wrong.append(one)

    assert wrong == []


@pytest.mark.parametrize("room", sorted(ORDER))
def test_every_folder_of_a_room_has_its_place_in_the_order(room: str) -> None:
    found = {
        dotted(path).split(".")[1]
        for path in modules(room)
        if path.parent != ROOT / room or path.stem != "__init__"
    }

    assert found <= set(ORDER[room])


def test_doors_do_not_know_one_another() -> None:
    wrong = [
        one
        for one in imports("app")
        for door in DOORS
        if within(one.importer, door) and any(within(one.imported, other) for other in DOORS if other != door)
    ]

    assert wrong == []


def test_only_the_assembly_constructs_what_storage_is_made_of() -> None:
    wrong = []
    for path in modules("app"):
        if path.name == "assembly.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
                name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
                if name in CONSTRUCTED_IN_ASSEMBLY_ALONE:
                    wrong.append(f"{dotted(path)}:{node.lineno} {name}")

    assert wrong == []


def test_the_language_opens_no_files() -> None:
    wrong = [
        f"{dotted(path)}:{node.lineno}"
        for path in modules("dicomweb")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and (
            (isinstance(node.func, ast.Name) and node.func.id == "open")
            or (
                isinstance(node.func, ast.Attribute)
                and node.func.attr in {"read_bytes", "write_bytes", "read_text"}
            )
        )
    ]

    assert wrong == []


@pytest.mark.parametrize("room", ["dicomweb", "storage", "app"])
def test_every_module_says_what_it_is_for(room: str) -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in modules(room)
        if path.name != "__init__.py" and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]

    assert silent == []


def test_nothing_is_called_utils() -> None:
    named = [
        path
        for room in ("app", "dicomweb", "storage")
        for path in modules(room)
        if path.stem in ("utils", "helpers", "common")
    ]

    assert named == []
