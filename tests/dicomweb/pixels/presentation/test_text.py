"""Which characters are written for which."""

from __future__ import annotations

import numpy as np
import pytest

from dicomweb.pixels.presentation.drawing import Canvas, Label
from dicomweb.pixels.presentation.text import drawable, line_height, shortened, text_size


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Doe, Jane (50%) #1 a/b_c", "Doe, Jane (50%) #1 a/b_c"),
        ("Müller Ångström Łukasz Þór", "Muller Angstrom Lukasz Thor"),
        ("Жуков Щепкин", "Zhukov Shchepkin"),
        ("Διονυσιος", "Dionysios"),
        ("やまだ タロウ", "yamada tarou"),
        ("김희중", "gimhyijung"),
        ("山田", "??"),
        ("אב", "??"),
        ("5 µm ≥ 3 µs", "5 um >= 3 us"),
        ("½ x²", "1/2 x2"),
        ("tab\there\x00\x1b", "tab here"),
        ("two\nlines", "two\nlines"),
        ("e\u0301 combined", "e combined"),
        ("😀", "?"),
        ("\ud800", "?"),
        ("", ""),
    ],
)
def test_text_becomes_characters_that_the_font_has(text: str, written: str) -> None:
    assert drawable(text) == written


@pytest.mark.parametrize("text", ["", " ", "\n", "\n\n", "\x00", "山田太郎", "\ud800", "a" * 5000, "\u202eabc"])
def test_no_text_makes_drawing_fail(text: str) -> None:
    made = Canvas(np.zeros((30, 40), np.uint8))

    made.write(Label(text, 2, 2, 12))

    assert made.picture.shape == (30, 40)


def test_every_character_of_the_first_planes_can_be_written() -> None:
    everything = "".join(map(chr, range(0, 0x30000, 31)))

    assert drawable(everything).replace("\n", "").isprintable()


def test_a_line_too_long_is_cut_with_dots() -> None:
    assert shortened("short", 12, 500) == "short"
    cut = shortened("a line that is much too long", 12, 80)
    assert cut.endswith("...")
    assert text_size(cut, 12)[0] <= 80
    assert shortened("anything", 12, 1) == ""


def test_the_size_of_a_text_counts_its_lines() -> None:
    width, height = text_size("one\ntwo and more\nthree", 20)

    assert height == 3 * line_height(20)
    assert width == text_size("two and more", 20)[0]
