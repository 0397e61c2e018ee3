"""One condition on one column, in SQL. Pure.

What this cannot say (None) is left to `matching`, which reads headers; the tests hold both against one another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dicomweb.model.query import AllOf, Between, BetweenMoments, Condition, Empty, NameWords, OneOf, Wildcard
from storage.catalog.hashes import hash_uid
from storage.catalog.moments import FULL_TIME_SQL, full_date, full_date_time, full_time
from storage.catalog.patterns import NamePattern, has_wildcard, name_pattern, wildcard_expression, word_pattern


@dataclass(frozen=True, slots=True)
class Sql:
    """A piece of SQL and the values of its question marks."""

    text: str
    values: tuple[Any, ...] = ()


TRUE = Sql("TRUE")
FALSE = Sql("FALSE")


def all_of(parts: list[Sql]) -> Sql:
    """All must hold."""
    return _joined(parts, " AND ", TRUE)


def any_of(parts: list[Sql]) -> Sql:
    """One must hold."""
    return _joined(parts, " OR ", FALSE)


def _joined(parts: list[Sql], word: str, none: Sql) -> Sql:
    if len(parts) < 2:
        return parts[0] if parts else none
    values = tuple(value for part in parts for value in part.values)
    return Sql(f"({word.join(part.text for part in parts)})", values)


@dataclass(frozen=True, slots=True)
class Source:
    """What holds an attribute in a table."""

    expression: str
    """The column, with the name of its table."""
    vr: str
    integer: bool = False
    number: str = ""
    """For VRs that are numbers but need not be whole: the column to compare by."""
    several: bool = False
    """Whether it may hold several values, joined by backslashes."""
    hashed: str = ""
    """The column of its hash, for UIDs that have one."""
    folded: str = ""
    """For PN: the column to compare by."""
    words: str = ""
    """For PN: the column of its words."""


def condition_sql(source: Source, condition: Condition, time: Source | None = None) -> Sql | None:
    """The condition on a column, None if it cannot be said; `time` is the TM beside the date of BetweenMoments."""
    if isinstance(condition, Empty):
        return Sql(f"{source.expression} IS NULL")
    if isinstance(condition, BetweenMoments):
        return _between_moments(source, condition, time) if time is not None else None
    if source.vr == "PN":
        return _name(source, condition)
    if isinstance(condition, Wildcard):
        return _wildcard(source, condition.pattern)
    if isinstance(condition, Between):
        return _between(source, condition)
    if isinstance(condition, OneOf):
        return _one_of(source, condition.values)
    if isinstance(condition, AllOf):
        return all_of([_one_of(source, (value,)) for value in condition.values])
    return None


_HELD = r"('\' || {0} || '\')"
"""Several values so that each stands between backslashes."""


def _one_of(source: Source, values: tuple[str, ...]) -> Sql:
    if source.integer:
        return _among(
            source.expression, tuple(number for value in values if (number := _number(value)) is not None)
        )
    if source.number:
        return _among(source.number, tuple(n for value in values if (n := as_number(value)) is not None))
    if source.vr == "DT":
        return _among(source.expression, tuple(full_date_time(value) for value in values))
    if source.vr == "DA":
        return _among(_date(source), tuple(full_date(value) for value in values))
    if source.vr == "TM":
        full = FULL_TIME_SQL.format(source.expression)
        return _among(full, tuple(full_time(value) for value in values))
    if source.several:
        held = _HELD.format(source.expression)
        return any_of([Sql(f"contains({held}, ?)", (f"\\{value}\\",)) for value in values])
    found = _among(source.expression, values)
    if not source.hashed:
        return found
    return all_of([Sql(f"{source.hashed} IN ({', '.join(str(hash_uid(value)) for value in values)})"), found])


def _among(expression: str, values: tuple[Any, ...]) -> Sql:
    if not values:
        return FALSE
    if len(values) == 1:
        return Sql(f"{expression} = ?", values)
    return Sql(f"{expression} IN ({', '.join('?' * len(values))})", values)


def as_number(value: Any) -> float | None:
    """The value as a number, None if it is none."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _number(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def _wildcard(source: Source, pattern: str) -> Sql:
    if not pattern.strip("*"):
        return TRUE
    if source.integer or source.several:
        text = f"CAST({source.expression} AS VARCHAR)" if source.integer else source.expression
        one = wildcard_expression(pattern, r"[^\\]")
        return Sql(f"regexp_matches({_HELD.format(text)}, ?)", (rf"\\{one}\\",))
    inner = pattern.strip("*")
    if not has_wildcard(inner):
        if pattern.startswith("*") and pattern.endswith("*"):
            return Sql(f"contains({source.expression}, ?)", (inner,))
        if pattern.endswith("*") and not pattern.startswith("*"):
            return Sql(f"starts_with({source.expression}, ?)", (inner,))
    like = "".join(_LIKE.get(letter, letter) for letter in pattern)
    return Sql(f"{source.expression} LIKE ? ESCAPE '!'", (like,))


_LIKE = {"*": "%", "?": "_", "%": "!%", "_": "!_", "!": "!!"}


_DATE_SQL = "replace({0}, '.', '')"
"""Dates of old files have dots (PS3.5 6.2, DA)."""
_MOMENTS: dict[str, tuple[str, Callable[..., str]]] = {
    "DA": (_DATE_SQL, full_date),
    "TM": (FULL_TIME_SQL, full_time),
    "DT": ("{0}", full_date_time),
}
"""How a column is put into a form that can be compared, and how a value is. DT is kept in that form."""


def _between(source: Source, condition: Between) -> Sql | None:
    if source.vr not in _MOMENTS:
        return None
    template, full = _MOMENTS[source.vr]
    expression = template.format(source.expression)
    parts = [Sql(f"{source.expression} IS NOT NULL")]
    if condition.low is not None:
        parts.append(Sql(f"{expression} >= ?", (full(condition.low),)))
    if condition.high is not None:
        parts.append(Sql(f"{expression} <= ?", (full(condition.high, last=True),)))
    return all_of(parts)


def _between_moments(date: Source, condition: BetweenMoments, time: Source) -> Sql:
    """An absent time counts as the first moment of the day."""
    day_sql = _date(date)
    moment = f"({day_sql} || {FULL_TIME_SQL.format(f'coalesce({time.expression}, {_MIDNIGHT})')})"
    parts = [Sql(f"{date.expression} IS NOT NULL")]
    if condition.low is not None:
        day, clock = condition.low
        parts += [Sql(f"{day_sql} >= ?", (full_date(day),))]
        parts += [Sql(f"{moment} >= ?", (full_date(day) + full_time(clock),))]
    if condition.high is not None:
        day, clock = condition.high
        parts += [Sql(f"{day_sql} <= ?", (full_date(day, last=True),))]
        parts += [Sql(f"{moment} <= ?", (full_date(day, last=True) + full_time(clock, last=True),))]
    return all_of(parts)


_MIDNIGHT = "'000000'"


def _date(source: Source) -> str:
    return _DATE_SQL.format(source.expression)


def _name(source: Source, condition: Condition) -> Sql | None:
    if isinstance(condition, OneOf | AllOf):
        parts = [_found(source.folded, name_pattern(value, wildcards=False)) for value in condition.values]
        return any_of(parts) if isinstance(condition, OneOf) else all_of(parts)
    if isinstance(condition, Wildcard):
        if not condition.pattern.strip("*"):
            return TRUE
        return _found(source.folded, name_pattern(condition.pattern, wildcards=True))
    if isinstance(condition, NameWords):
        return all_of([_found(source.words, word_pattern(word)) for word in condition.words])
    return None


def _found(column: str, pattern: NamePattern) -> Sql:
    if pattern.text is not None:
        return Sql(f"contains({column}, ?)", (pattern.text,))
    return Sql(f"regexp_matches({column}, ?)", (pattern.expression,))
