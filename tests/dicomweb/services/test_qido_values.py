"""What the values of matching keys mean, by VR."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.model.query import AllOf, Between, Condition, Empty, NameWords, OneOf, Wildcard
from dicomweb.services.qido_values import WILDCARD_VRS, BadValue, Switches, conditions_for

PLAIN = Switches()
FUZZY = Switches(fuzzy=True)
EMPTY = Switches(empty=True)
MULTIPLE = Switches(multiple=True)


def asked(value: str, vr: str, switches: Switches = PLAIN) -> tuple[Condition, ...]:
    """The conditions of a value."""
    return conditions_for(value, vr, switches, max_values=100)


@pytest.mark.parametrize("vr", ["PN", "LO", "UI", "DA", "TM", "DT", "IS", "SQ", "OB", "UN", "CS"])
@pytest.mark.parametrize("value", ["", " ", "*", "**"])
def test_no_value_or_a_star_matches_everything(vr: str, value: str) -> None:
    assert asked(value, vr) == ()


@pytest.mark.parametrize("vr", ["PN", "LO", "UI", "DA", "SQ", "OB", "UN"])
def test_two_quotation_marks_match_what_is_empty_if_switched_on(vr: str) -> None:
    assert asked('""', vr, EMPTY) == (Empty(),)


def test_two_quotation_marks_are_text_otherwise() -> None:
    assert asked('""', "LO") == (OneOf(('""',)),)
    with pytest.raises(BadValue):
        asked('""', "DA")


@pytest.mark.parametrize(
    ("value", "vr", "condition"),
    [
        (" ABC ", "LO", OneOf(("ABC",))),
        ("  ABC ", "LT", OneOf(("  ABC",))),
        ("a,b", "LO", OneOf(("a,b",))),
        ("a\\b", "ST", OneOf(("a\\b",))),
        ("A*", "CS", Wildcard("A*")),
        ("A?", "SH", Wildcard("A?")),
        ("A?", "UN", Wildcard("A?")),
        ("Doe^J*", "PN", Wildcard("Doe^J*")),
        ("Doe^John", "PN", OneOf(("Doe^John",))),
        ("CT,MR", "CS", OneOf(("CT", "MR"))),
        ("CT\\MR", "CS", OneOf(("CT", "MR"))),
        ("CT,,CT,", "CS", OneOf(("CT",))),
        ("1.2, 1.3", "UI", OneOf(("1.2", "1.3"))),
        ("1.2\\1.3", "UI", OneOf(("1.2", "1.3"))),
        ("20240101", "DA", OneOf(("20240101",))),
        ("20240101-20240201", "DA", Between("20240101", "20240201")),
        ("10", "TM", Between("10", "105959.999999")),
        ("007", "IS", OneOf(("7",))),
        ("+7", "US", OneOf(("7",))),
        ("1.50", "DS", OneOf(("1.50",))),
        ("0010001a", "AT", OneOf(("0010001A",))),
        ("040Y", "AS", OneOf(("040Y",))),
    ],
)
def test_a_value_by_its_vr(value: str, vr: str, condition: Condition) -> None:
    """PS3.4 C.2.2.2.1, C.2.2.2.2, C.2.2.2.4, C.2.2.2.5."""
    assert asked(value, vr) == (condition,)


@pytest.mark.parametrize(
    ("value", "vr", "conditions"),
    [
        ("CT,MR", "CS", (AllOf(("CT", "MR")),)),
        ("CT\\MR", "CS", (AllOf(("CT", "MR")),)),
        ("CT", "CS", (OneOf(("CT",)),)),
        ("a\\b", "LO", (AllOf(("a", "b")),)),
        ("a,b", "LO", (OneOf(("a,b",)),)),
        ("a\\b*", "LO", (OneOf(("a",)), Wildcard("b*"))),
        ("a\\*", "LO", (OneOf(("a",)),)),
        ("Doe^*\\Roe", "PN", (Wildcard("Doe^*"), OneOf(("Roe",)))),
        ("20240101\\20240103-", "DA", (OneOf(("20240101",)), Between("20240103", None))),
    ],
)
def test_lists_mean_all_of_them_with_multiple_value_matching(
    value: str, vr: str, conditions: tuple[Condition, ...]
) -> None:
    """PS3.4 C.2.2.2.8."""
    assert asked(value, vr, MULTIPLE) == conditions


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("Müll", ("mull",)),
        ("*BRAIN*", ("*brain*",)),
        ("doe^john", ("doe", "john")),
        ("John * Doe", ("john", "doe")),
        ("山田", ("山田",)),
        ("J?n", ("j?n",)),
    ],
)
def test_fuzzy_matching_turns_a_name_into_folded_words(value: str, words: tuple[str, ...]) -> None:
    assert asked(value, "PN", FUZZY) == (NameWords(words),)


def test_fuzzy_matching_leaves_other_vrs_alone() -> None:
    assert asked("Brain*", "LO", FUZZY) == (Wildcard("Brain*"),)


def test_a_name_without_words_is_not_everybody() -> None:
    assert asked("---", "PN", FUZZY) == (OneOf(("---",)),)


@pytest.mark.parametrize("value", ["^", "*^*", "*=*=*", "* *"])
def test_a_name_of_stars_and_delimiters_is_everybody(value: str) -> None:
    assert asked(value, "PN") == ()
    assert asked(value, "PN", FUZZY) == ()


@pytest.mark.parametrize(
    ("value", "vr"),
    [
        ("1.2*", "UI"),
        ("1.2/../3", "UI"),
        ("abc", "DA"),
        ("2024*", "DA"),
        ("25", "TM"),
        ("1?", "IS"),
        ("1.5", "IS"),
        ("1,2", "IS"),
        ("nan", "DS"),
        ("1e999", "FD"),
        ("04?Y", "AS"),
        ("x", "AT"),
        ("x", "SQ"),
        ("x", "OB"),
        ("a\\b", "LO"),
        ("CT,M*", "CS"),
        ("10\u0661", "IS"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_without_repeating_it(value: str, vr: str) -> None:
    with pytest.raises(BadValue) as caught:
        asked(value, vr)
    assert str(caught.value)
    assert value not in str(caught.value) or len(value) < 3


def test_a_list_is_bounded() -> None:
    with pytest.raises(BadValue):
        conditions_for(",".join(f"1.{place}" for place in range(11)), "UI", PLAIN, max_values=10)


VRS = sorted(
    WILDCARD_VRS | {"UI", "DA", "TM", "DT", "IS", "DS", "AS", "AT", "US", "SS", "UL", "SL", "FL", "FD", "SQ", "OB"}
)


@given(st.text(max_size=40), st.sampled_from(VRS), st.booleans(), st.booleans(), st.booleans())
def test_any_text_is_understood_or_refused(value: str, vr: str, fuzzy: bool, empty: bool, multiple: bool) -> None:
    try:
        conditions = asked(value, vr, Switches(fuzzy, empty, multiple))
    except BadValue:
        return
    for condition in conditions:
        if isinstance(condition, OneOf | AllOf):
            assert condition.values
            assert all(condition.values)
        if isinstance(condition, Wildcard):
            assert vr in WILDCARD_VRS
