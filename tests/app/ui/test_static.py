"""The files of the pages: what the policy asks of them, and that the first page asks for all it needs."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import pytest

from app.ui.door import STATIC

SCRIPTS = sorted(path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*.js"))
STATIC_IMPORT = re.compile(r'^import [^"]*?"(\./|\.\./)([^"]+)";$', re.MULTILINE)
LAZY_IMPORT = re.compile(r'\bimport\("([^"]+)"\)')


def source(name: str) -> str:
    """A file of the pages."""
    return (STATIC / name).read_text(encoding="utf-8")


def resolved(importer: str, target: str) -> str:
    """The file that a relative import means."""
    path = (STATIC / PurePosixPath(importer).parent / target).resolve()
    return path.relative_to(STATIC.resolve()).as_posix()


def imported(name: str) -> set[str]:
    """What a script imports when it is loaded."""
    return {resolved(name, up + rest) for up, rest in STATIC_IMPORT.findall(source(name))}


def closure(name: str) -> set[str]:
    """Everything that is loaded with a script."""
    found, todo = {name}, [name]
    while todo:
        more = imported(todo.pop()) - found
        found |= more
        todo += more
    return found


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_import_leads_to_a_file(name: str) -> None:
    lazy = {resolved(name, target) for target in LAZY_IMPORT.findall(source(name))}
    for target in imported(name) | lazy:
        assert (STATIC / target).is_file(), target


def test_the_page_names_beforehand_whatever_it_is_going_to_import() -> None:
    named = re.findall(r'<link rel="modulepreload" href="\$a/([^"]+)">', source("index.html"))

    assert sorted(named) == sorted(closure("main.js") - {"main.js"})


def test_the_page_has_no_script_style_or_handler_in_it() -> None:
    page = source("index.html")

    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=", page)
    assert not re.search(r"(?:src|href)=\"(?!\$a/)", page)


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_script_makes_markup_of_text(name: str) -> None:
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setAttribute\(\"style\"",
        source(name),
    )


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_says_what_it_is_for_and_stays_small(name: str) -> None:
    lines = source(name).splitlines()

    assert lines[0].startswith(("//", "/*")), "a script begins with a comment"
    assert len(lines) <= 300
