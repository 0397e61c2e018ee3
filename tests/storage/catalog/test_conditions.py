"""A condition means the same on a column, in SQL, and on a header, in Python."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import hypothesis.strategies as st
import orjson
import pytest
from hypothesis import HealthCheck, given, settings

from dicomweb.model.keys import Level
from dicomweb.model.names import fold_name, joined_words, name_words, pattern_words
from dicomweb.model.query import (
    AllOf,
    Between,
    BetweenMoments,
    Condition,
    Empty,
    Match,
    NameWords,
    OneOf,
    Wildcard,
)
from storage.catalog.conditions import condition_sql
from storage.catalog.matching import header_matches
from storage.catalog.sources import held
from storage.log.columns import BY_NAME, column_values
from tests.storage.catalog.making import element, header, key

_TABLES = """
    CREATE TEMP TABLE st (study_date VARCHAR, study_time VARCHAR, patient_id VARCHAR, patient_name VARCHAR,
        patient_name_folded VARCHAR, patient_name_words VARCHAR);
    CREATE TEMP TABLE i (image_type VARCHAR, instance_number BIGINT)"""


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:") as connection:
        connection.execute(_TABLES)
        yield connection


def in_sql(
    database: duckdb.DuckDBPyConnection, column: str, value: Any, condition: Condition, **beside: Any
) -> bool:
    """Whether a row with these values fulfils the condition."""
    place = held(BY_NAME[column].tag, Level.INSTANCE)
    assert place is not None
    time = held(BY_NAME["study_time"].tag, Level.INSTANCE)
    sql = condition_sql(place.source, condition, time.source if time else None)
    assert sql is not None
    table = "st" if place.level is Level.STUDY else "i"
    values = {column: value, **beside}
    if column == "patient_name" and value is not None:
        values |= {"patient_name_folded": fold_name(value), "patient_name_words": joined_words(name_words(value))}
    database.execute(f"DELETE FROM {table}")
    names = ", ".join(values)
    database.execute(
        f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(values))})", list(values.values())
    )
    return bool(database.execute(f"SELECT 1 FROM {table} WHERE {sql.text}", list(sql.values)).fetchall())


def in_header(column: str, value: Any, condition: Condition, **beside: Any) -> bool:
    """Whether a header with these values fulfils the condition."""
    present = {name: one for name, one in {column: value, **beside}.items() if one is not None}
    match = Match((BY_NAME[column].tag,), BY_NAME[column].vr, condition, column)
    return header_matches(orjson.dumps(header(key("1"), present, {})), [match])


NAME = "Müller-Lüdenscheidt^Änne^^Dr.=山田^太郎=やまだ^たろう"

CASES: list[tuple[str, Any, Condition, bool]] = [
    # PS3.4 C.2.2.2.1 single value matching: case counts, but not in person names
    ("patient_id", "ab1", OneOf(("ab1",)), True),
    ("patient_id", "ab1", OneOf(("AB1",)), False),
    ("patient_id", None, OneOf(("ab1",)), False),
    ("instance_number", 7, OneOf(("7",)), True),
    ("instance_number", 7, OneOf(("007",)), True),
    ("instance_number", 7, OneOf(("x", "8")), False),
    ("image_type", "ORIGINAL\\PRIMARY", OneOf(("PRIMARY",)), True),
    ("image_type", "ORIGINAL\\PRIMARY", OneOf(("PRIM",)), False),
    ("study_time", "101500", OneOf(("101500.000",)), True),
    ("study_date", "2024.03.15", OneOf(("20240315",)), True),
    # PS3.4 C.2.2.2.2 lists
    ("patient_id", "b", OneOf(("a", "b")), True),
    ("patient_id", "c", OneOf(("a", "b")), False),
    # PS3.4 C.2.2.3 all of several values
    ("image_type", "ORIGINAL\\PRIMARY", AllOf(("PRIMARY", "ORIGINAL")), True),
    ("image_type", "ORIGINAL\\PRIMARY", AllOf(("PRIMARY", "AXIAL")), False),
    # PS3.4 C.2.2.2.4 wildcards
    ("patient_id", "abc", Wildcard("a*"), True),
    ("patient_id", "abc", Wildcard("*c"), True),
    ("patient_id", "abc", Wildcard("a?c"), True),
    ("patient_id", "abc", Wildcard("?"), False),
    ("patient_id", "a%c_", Wildcard("a%c_"), True),
    ("patient_id", "abcd", Wildcard("a%c_"), False),
    ("patient_id", "a.c", Wildcard("*.*"), True),
    ("patient_id", "abc", Wildcard("*B*"), False),
    ("image_type", "ORIGINAL\\PRIMARY", Wildcard("O*Y"), False),
    ("image_type", "ORIGINAL\\PRIMARY", Wildcard("P*Y"), True),
    # PS3.4 C.2.2.2.5 ranges
    ("study_date", "20240315", Between("20240301", "20240331"), True),
    ("study_date", "20240401", Between("20240301", "20240331"), False),
    ("study_date", "2024.03.15", Between("20240301", "20240331"), True),
    ("study_date", "20240315", Between(None, "20240315"), True),
    ("study_date", "20240315", Between("20240315", None), True),
    ("study_date", None, Between(None, "20240315"), False),
    ("study_time", "10", Between("100000", "103000"), True),
    ("study_time", "101530.5", Between("101530.5", "101530.5"), True),
    ("study_time", "101530.7", Between("101530", "101530"), True),
    ("study_time", "10:15:30", Between("101530", "101531"), True),
    # PS3.4 C.2.2.2.7 empty value matching
    ("patient_id", None, Empty(), True),
    ("patient_id", "a", Empty(), False),
    ("patient_name", None, Empty(), True),
    ("instance_number", None, Empty(), True),
    # person names (PS3.18 8.3.4.2, PS3.4 C.2.2.2.1): neither case nor accents count, any group will do
    ("patient_name", NAME, Wildcard("muller*"), True),
    ("patient_name", NAME, Wildcard("*LUDEN*"), True),
    ("patient_name", NAME, Wildcard("*anne"), False),
    ("patient_name", NAME, Wildcard("山田*"), True),
    ("patient_name", NAME, Wildcard("やまだ^たろ?"), True),
    ("patient_name", NAME, OneOf(("müller-lüdenscheidt^änne^^dr.",)), True),
    ("patient_name", NAME, OneOf(("müller-lüdenscheidt",)), False),
    ("patient_name", NAME, Wildcard("muller*=山田*"), True),
    ("patient_name", NAME, Wildcard("=山田*"), True),
    ("patient_name", NAME, Wildcard("muller*=鈴木*"), False),
    ("patient_name", "DOE^JOHN^^^", OneOf(("doe^john",)), True),
    ("patient_name", "DOE^JOHN", OneOf(("Doe^John^",)), True),
    ("patient_name", "O.NEIL^X", Wildcard("o.n?il*"), True),
    ("patient_name", "OXNEIL^X", Wildcard("o.n?il*"), False),
    # fuzzy: the beginning of a word in any component and character set
    ("patient_name", NAME, NameWords(pattern_words("Anne mull")), True),
    ("patient_name", NAME, NameWords(pattern_words("太")), True),
    ("patient_name", NAME, NameWords(pattern_words("nne")), False),
    ("patient_name", NAME, NameWords(pattern_words("*nne")), True),
    ("patient_name", NAME, NameWords(pattern_words("m?ller")), True),
    ("patient_name", NAME, NameWords(pattern_words("mull otto")), False),
]


@pytest.mark.parametrize(("column", "value", "condition", "expected"), CASES)
def test_a_condition_means_what_the_standard_says(
    database: duckdb.DuckDBPyConnection, column: str, value: Any, condition: Condition, expected: bool
) -> None:
    assert in_sql(database, column, value, condition) is expected
    assert in_header(column, value, condition) is expected


@pytest.mark.parametrize(
    ("date", "time", "low", "high", "expected"),
    [
        ("20240315", "120000", ("20240315", "110000"), ("20240316", "010000"), True),
        ("20240315", "100000", ("20240315", "110000"), ("20240316", "010000"), False),
        ("20240316", "020000", ("20240315", "110000"), ("20240316", "010000"), False),
        ("20240316", None, ("20240315", "110000"), ("20240316", "010000"), True),
        ("20240317", "000000", ("20240315", "110000"), None, True),
        ("20240317", "000000", None, ("20240315", "110000"), False),
    ],
)
def test_date_and_time_match_together(  # PS3.4 C.2.2.2.5.4
    database: duckdb.DuckDBPyConnection, date: str, time: str | None, low: Any, high: Any, expected: bool
) -> None:
    condition = BetweenMoments(BY_NAME["study_time"].tag, low, high)

    assert in_sql(database, "study_date", date, condition, study_time=time) is expected
    assert in_header("study_date", date, condition, study_time=time) is expected


letters = st.text("aAäB*?%_!.^= ßł", max_size=6)
names = letters.map(lambda text: text.replace("*", "").replace("?", ""))


@given(names, letters)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_wildcards_in_names_agree(database: duckdb.DuckDBPyConnection, value: str, pattern: str) -> None:
    value = "\\".join("=".join(group.strip() for group in value.split("=")).strip("=") for value in [value])
    condition = Wildcard(pattern)
    if value and pattern:
        stored = column_values(header(key("1"), {"patient_name": value}, {})).get("patient_name")
        assert in_sql(database, "patient_name", stored, condition) == in_header("patient_name", value, condition)


@given(st.text("aB%_!.\\x[]()", min_size=1, max_size=6), st.text("aB*?%_!.[]()", min_size=1, max_size=6))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_wildcards_in_codes_agree(database: duckdb.DuckDBPyConnection, value: str, pattern: str) -> None:
    condition = Wildcard(pattern)
    if all(value.split("\\")):
        assert in_sql(database, "image_type", value, condition) == in_header("image_type", value, condition)


def test_a_path_holds_if_some_item_fulfils_it() -> None:
    items = [{"00400009": element("SH", "A")}, {"00400009": element("SH", "B"), "00400007": element("LO")}]
    text = orjson.dumps({"00400275": {"vr": "SQ", "Value": items}})

    def holds(path: tuple[str, ...], condition: Condition) -> bool:
        return header_matches(text, [Match(path, "SH", condition, "x")])

    assert holds(("00400275", "00400009"), OneOf(("B",)))
    assert not holds(("00400275", "00400009"), OneOf(("C",)))
    assert holds(("00400275", "00400007"), Empty())
    assert not holds(("00400275", "00400009"), Empty())
    assert holds(("00400276", "00400009"), Empty())


def test_numbers_and_moments_of_headers_compare_by_value() -> None:
    text = orjson.dumps(
        {
            "00180050": element("DS", 1.5),
            "0008002A": element("DT", "20240315120000+0200"),
            "00091001": element("UN"),
            "7FE00010": {"vr": "OW", "BulkDataURI": "7FE00010"},
        }
    )

    def holds(tag: str, condition: Condition) -> bool:
        return header_matches(text, [Match((tag,), "", condition, "x")])

    assert holds("00180050", OneOf(("1.50",)))
    assert holds("0008002A", Between("20240315100000+0000", "20240315100000+0000"))
    assert not holds("0008002A", Between("20240315110000+0000", None))
    assert holds("00091001", Empty())
    assert not holds("7FE00010", Empty())
