"""The words of the pages: one file a language, all with the same texts."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from app.ui.door import STATIC

LANGUAGES = sorted(path.stem for path in (STATIC / "texts").glob("*.json"))
PLURAL = re.compile(r"\.(one|other|many|few|two|zero)$")
CALL = re.compile(r"""(?<![.\w])(?:t|has)\(\s*(["'`])((?:(?!\1).)+)\1""")
CHOICE = re.compile(r"(?<![.\w])t\(([^()]*\?[^()]*)\)")
KEY_LIKE = re.compile(r'"([a-z]+(?:\.[A-Za-z0-9]+)+)"')


def texts(language: str) -> dict[str, str]:
    """All texts of a language."""
    found: dict[str, str] = json.loads((STATIC / "texts" / f"{language}.json").read_text(encoding="utf-8"))
    return found


def scripts() -> list[Path]:
    """All scripts of the pages."""
    return sorted(STATIC.rglob("*.js"))


def test_there_are_four_languages() -> None:
    assert LANGUAGES == ["de", "en", "es", "fr"]


@pytest.mark.parametrize("language", ["de", "es", "fr"])
def test_every_language_has_every_text_with_the_same_placeholders(language: str) -> None:
    english, other = texts("en"), texts(language)

    assert list(other) == list(english)
    for key, text in english.items():
        assert sorted(re.findall(r"\{\w+\}", other[key])) == sorted(re.findall(r"\{\w+\}", text)), key
        assert other[key].strip(), key


def test_every_text_that_a_script_names_is_there() -> None:
    known = {PLURAL.sub("", key) for key in texts("en")} | set(texts("en"))
    for script in scripts():
        for _, name in CALL.findall(script.read_text(encoding="utf-8")):
            if "${" in name:
                beginning = name.partition("${")[0]
                assert any(key.startswith(beginning) for key in known), f"{script.name}: {name}"
            else:
                assert name in known, f"{script.name}: {name}"


def test_no_text_is_left_over() -> None:
    source = "\n".join(script.read_text(encoding="utf-8") for script in scripts())
    chosen = {name for call in CHOICE.findall(source) for name in re.findall(r'"([^"]+)"', call)}
    named = {name for _, name in CALL.findall(source)} | set(KEY_LIKE.findall(source)) | chosen
    beginnings = tuple(set(re.findall(r"`([a-z]+(?:\.[a-z]+)*\.)\$\{", source)))

    left = {PLURAL.sub("", key) for key in texts("en")} - named
    assert sorted(key for key in left if not key.startswith(beginnings)) == []
