"""From query parameters to a query."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.model.keys import Level
from dicomweb.model.query import Between, BetweenMoments, Empty, Match, NameWords, OneOf, Order, Query, Wildcard
from dicomweb.services.limits import Limits
from dicomweb.services.qido_attributes import BadParameter
from dicomweb.services.qido_query import parse_query

LIMITS = Limits()


def parsed(*parameters: tuple[str, str], level: Level = Level.STUDY) -> Query:
    """The query of these parameters."""
    return parse_query(level, (), parameters, LIMITS)


@pytest.mark.parametrize(
    ("name", "path", "vr"),
    [
        ("PatientName", ("00100010",), "PN"),
        ("00100010", ("00100010",), "PN"),
        ("0008103e", ("0008103E",), "LO"),
        ("RequestAttributesSequence.ScheduledProcedureStepID", ("00400275", "00400009"), "SH"),
        ("00400275.00400009", ("00400275", "00400009"), "SH"),
        ("00400275.ScheduledProcedureStepID", ("00400275", "00400009"), "SH"),
        ("00091002", ("00091002",), "UN"),
        ("00091001.00091002", ("00091001", "00091002"), "UN"),
        ("60003000", ("60003000",), "OW"),
    ],
)
def test_attributes_are_named_by_keyword_tag_or_path(name: str, path: tuple[str, ...], vr: str) -> None:
    query = parsed((name, ""))
    assert path in query.include
    if vr not in ("OW",):
        (match,) = parsed((name, "1")).matches
        assert (match.path, match.vr, match.name) == (path, vr, name)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "Patientname",
            "PatientNam",
            "patientname",
            "0010001",
            "001000100",
            "0010,0010",
            "(0010,0010)",
            "PatientName.",
        ),
        *(
            ".PatientName",
            "PatientName.PatientID",
            "00020010",
            "TransferSyntaxUID",
            "MediaStorageSOPClassUID",
            "0000FFFF",
            "FFFEE000",
            "Fuzzymatching",
            "asof",
            "_",
        ),
        *(".".join(["00400275"] * 17), "x" * 1000, "\n\n", "é"),
    ],
)
def test_a_name_that_is_no_attribute_is_refused_naming_it(name: str) -> None:
    with pytest.raises(BadParameter) as caught:
        parsed((name, "secret"))
    assert caught.value.status == 400
    assert "secret" not in caught.value.message
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 400


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("PatientNam", "; did you mean PatientName?"),
        ("studydate", "; did you mean StudyDate?"),
        ("limt", "; did you mean limit?"),
        ("xqzv", ""),
    ],
)
def test_a_keyword_nearly_right_gets_a_hint(name: str, hint: str) -> None:
    with pytest.raises(BadParameter) as caught:
        parsed((name, "1"))

    assert str(caught.value).partition(";")[2] == hint.lstrip(";")


def test_a_bad_value_is_refused_naming_the_parameter_and_not_the_value() -> None:
    with pytest.raises(BadParameter, match="StudyDate") as caught:
        parsed(("StudyDate", "born 1961"))
    assert "1961" not in caught.value.message


def test_an_attribute_stands_once_whatever_its_name() -> None:
    with pytest.raises(BadParameter, match="00100010"):
        parsed(("PatientName", "A*"), ("00100010", "B*"))


def test_keys_are_told_back_and_universal_ones_do_not_match() -> None:
    query = parsed(("PatientComments", ""), ("StudyID", "7"))
    assert query.include == (("00104000",), ("00200010",))
    assert query.matches == (Match(("00200010",), "SH", OneOf(("7",)), "StudyID"),)


def test_parents_of_the_url_match_and_may_be_named_again() -> None:
    query = parse_query(
        Level.INSTANCE,
        (("0020000D", "1.2"), ("0020000E", "1.3")),
        [("StudyInstanceUID", "1.2")],
        LIMITS,
    )
    assert [(match.path, match.condition) for match in query.matches] == [
        (("0020000D",), OneOf(("1.2",))),
        (("0020000E",), OneOf(("1.3",))),
        (("0020000D",), OneOf(("1.2",))),
    ]


def test_keys_of_lower_levels_search_at_study_level() -> None:
    query = parsed(
        ("Modality", "MR"), ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.4"), ("ModalitiesInStudy", "CT,MR")
    )
    assert [match.path for match in query.matches] == [("00080060",), ("00080016",), ("00080061",)]
    assert query.matches[2].condition == OneOf(("CT", "MR"))


@pytest.mark.parametrize(
    ("parameters", "include"),
    [
        ([("includefield", "00081030,00080060,StudyID")], ["00081030", "00080060", "00200010"]),
        ([("includefield", "00081030"), ("includefield", "PatientID")], ["00081030", "00100020"]),
        ([("includefield", "PatientID,PatientID, ,00100020")], ["00100020"]),
        ([("includefield", "")], []),
        ([("includefield", "0009104D")], ["00090010", "0009104D"]),
        ([("includefield", "00090010")], ["00090010"]),
    ],
)
def test_included_fields(parameters: list[tuple[str, str]], include: list[str]) -> None:
    """PS3.18 8.3.4.3; a private attribute brings its private creator (10.6.3.3)."""
    query = parsed(*parameters)
    assert query.include == tuple((tag,) for tag in include)
    assert not query.include_all


def test_a_path_is_included_as_a_path() -> None:
    query = parsed(("includefield", "RequestAttributesSequence.ScheduledProcedureStepID"))
    assert query.include == (("00400275", "00400009"),)


def test_all_fields_beside_named_ones() -> None:
    query = parsed(("includefield", "all"), ("includefield", "PatientID"))
    assert query.include_all
    assert query.include == (("00100020",),)


@pytest.mark.parametrize(
    ("level", "limit"), [(Level.STUDY, 5_000), (Level.SERIES, 5_000), (Level.INSTANCE, 50_000)]
)
def test_a_page_is_as_long_as_allowed_unless_it_is_to_be_shorter(level: Level, limit: int) -> None:
    assert parsed(level=level).limit == limit
    assert parsed(("limit", "1000000"), level=level).limit == limit
    page = parsed(("limit", "10"), ("offset", "20"), level=level)
    assert (page.limit, page.offset) == (10, 20)


@pytest.mark.parametrize("value", ["-1", "ten", "1.5", "", "9999999999999", "1" * 5000, "１"])
@pytest.mark.parametrize("name", ["limit", "offset"])
def test_pages_are_counted_in_whole_numbers(name: str, value: str) -> None:
    with pytest.raises(BadParameter, match=name):
        parsed((name, value))


@pytest.mark.parametrize("name", ["limit", "offset", "fuzzymatching", "accept"])
def test_a_parameter_stands_once(name: str) -> None:
    with pytest.raises(BadParameter, match=name):
        parsed((name, "1"), (name, "1"))


def test_order_is_by_attributes_and_a_hyphen_turns_it_round() -> None:
    query = parsed(("orderby", "-StudyDate,00080030"), ("orderby", "PatientName,StudyDate"))
    assert query.order == (Order(("00080020",), True), Order(("00080030",)), Order(("00100010",)))


@pytest.mark.parametrize("name", ["fuzzymatching", "emptyvaluematching", "multiplevaluematching"])
def test_switches_are_true_or_false(name: str) -> None:
    parsed((name, "true"))
    parsed((name, "FALSE"))
    with pytest.raises(BadParameter, match=name):
        parsed((name, "yes"))


def test_switches_change_how_values_match() -> None:
    fuzzy = parsed(("fuzzymatching", "true"), ("PatientName", "doe"))
    assert fuzzy.matches[0].condition == NameWords(("doe",))
    empty = parsed(("PatientID", '""'), ("emptyvaluematching", "true"))
    assert empty.matches[0].condition == Empty()


def test_empty_items_of_the_url_mean_nothing() -> None:
    assert parsed(("", ""), ("", "")) == parsed()
    with pytest.raises(BadParameter):
        parsed(("", "x"))


def test_the_character_set_is_never_matched() -> None:
    query = parsed(("SpecificCharacterSet", "ISO_IR 100"))
    assert query.matches == ()
    assert query.include == (("00080005",),)


def test_ranges_of_a_date_and_its_time_are_one_span() -> None:
    """PS3.4 C.2.2.2.5.4: concatenated where both specify the same form of range matching."""
    query = parsed(("StudyTime", "1000-1800"), ("StudyDate", "20060705-20060707"))
    assert query.matches == (
        Match(
            ("00080020",),
            "DA",
            BetweenMoments("00080030", ("20060705", "10"), ("20060707", "180059.999999")),
            "StudyDate",
        ),
    )


@pytest.mark.parametrize(
    ("dates", "times"), [("20060705", "1000-1800"), ("20060705-20060707", "1000"), ("20060705-", "-1800")]
)
def test_other_dates_and_times_match_each_for_itself(dates: str, times: str) -> None:
    query = parsed(("StudyDate", dates), ("StudyTime", times))
    assert [match.path for match in query.matches] == [("00080020",), ("00080030",)]
    assert isinstance(query.matches[1].condition, Between)


def test_dates_and_times_combine_within_their_own_sequence_only() -> None:
    inside = "ScheduledProcedureStepSequence."
    query = parsed(
        (inside + "ScheduledProcedureStepStartDate", "20060705-20060707"),
        (inside + "ScheduledProcedureStepStartTime", "1000-1800"),
        ("ScheduledProcedureStepStartTime", "1000-1800"),
    )
    assert [(match.path, type(match.condition)) for match in query.matches] == [
        (("00400100", "00400002"), BetweenMoments),
        (("00400003",), Between),
    ]


def test_what_the_viewer_asks() -> None:
    """OHIF's study list."""
    query = parsed(
        ("limit", "101"),
        ("offset", "0"),
        ("fuzzymatching", "false"),
        ("includefield", "00081030,00080060,00080090,00100030"),
        ("PatientName", "*brain*"),
        ("00100020", "*x*"),
        ("ModalitiesInStudy", "CT,MR"),
        ("StudyDate", "20240101-20240131"),
    )
    assert [match.condition for match in query.matches] == [
        Wildcard("*brain*"),
        Wildcard("*x*"),
        OneOf(("CT", "MR")),
        Between("20240101", "20240131"),
    ]
    assert query.limit == 101


def test_parameters_and_fields_are_bounded() -> None:
    few = Limits(query_keys=3, query_values=3)
    with pytest.raises(BadParameter):
        parse_query(Level.STUDY, (), [("includefield", "PatientID")] * 4, few)
    with pytest.raises(BadParameter, match="includefield"):
        parse_query(Level.STUDY, (), [("includefield", "PatientID,StudyID,Modality,StudyDate")], few)
    with pytest.raises(BadParameter, match="StudyInstanceUID"):
        parse_query(Level.STUDY, (), [("StudyInstanceUID", "1,2,3,4")], few)


NAMES = st.sampled_from(
    [
        "PatientName",
        "00080020",
        "StudyTime",
        "includefield",
        "limit",
        "offset",
        "orderby",
        "fuzzymatching",
        "Modality",
    ]
) | st.text(max_size=20)


@given(st.lists(st.tuples(NAMES, st.text(max_size=20)), max_size=6), st.sampled_from(Level))
def test_any_parameters_make_a_query_or_a_400(parameters: list[tuple[str, str]], level: Level) -> None:
    try:
        query = parse_query(level, (), parameters, LIMITS)
    except BadParameter:
        return
    assert query.level is level
    assert 0 <= query.limit <= 50_000


def test_words_searched_for_anywhere_are_folded_and_parted_as_people_write_them() -> None:
    assert parsed(("search", " Müller,  ANNE^x a-1 anne")).words == ("muller", "anne", "x", "a-1")
    assert parsed(("search", "")).words == ()
    with pytest.raises(BadParameter, match="search"):
        parsed(("search", " ".join(map(str, range(21)))))
