"""Folding of names: what a search does not tell apart, and what it does."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from dicomweb.model.names import fold_name, fold_text, joined_words, name_words, pattern_words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("MÜLLER", "muller"),
        ("Łukasz Østergård", "lukasz ostergard"),
        ("Weiß", "weiss"),
        ("Æsop", "aesop"),
        ("Ё", "е"),
        ("ΆΝΝΑ", "αννα"),
        ("مُحَمَّد", "محمد"),
        ("ﾔﾏﾀﾞ", "ヤマダ"),  # half-width letters are the point
        ("が", "が"),  # the voice mark makes another letter
        ("김희중", "김희중"),
        ("कि", "कि"),
        ("a*b?", "a*b?"),
        ("", ""),
    ],
)
def test_case_and_accents_go_and_letters_stay(text: str, expected: str) -> None:
    assert fold_text(text) == expected


@given(st.text(max_size=20))
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold_text(fold_text(text)) == fold_text(text)


@given(st.text(st.characters(codec="utf-8", categories=["Lu", "Ll"]), max_size=10))
def test_upper_and_lower_case_fold_alike(text: str) -> None:
    if text.upper().lower() == text.lower():
        assert fold_text(text.upper()) == fold_text(text.lower())


def test_a_name_is_its_groups_between_equals_signs() -> None:
    assert fold_name("Yamada^Tarou=山田^太郎=やまだ^たろう") == "=yamada^tarou=山田^太郎=やまだ^たろう="
    assert fold_name("Doe^John^^^ ") == "=doe^john="
    assert fold_name("A^B\\C") == "=a^b=\\=c="


def test_words_come_from_every_component_of_every_group() -> None:
    assert name_words("Müller-Lüdenscheidt^Anne Marie=山田^太郎") == (
        "muller", "ludenscheidt", "anne", "marie", "山田", "太郎",
    )  # fmt: skip
    assert joined_words(("a", "b")) == " a b "


def test_wildcards_belong_to_the_words_of_a_pattern() -> None:
    assert pattern_words("Mü*er, J?hn") == ("mu*er", "j?hn")
