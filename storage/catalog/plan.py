"""A query as SQL over the catalog's tables, and what is left to headers. Pure.

    studies st ──no── series se ──no── instances i

A search at one level looks at one table; conditions on attributes of a higher level join its table, those of a
lower level become one "there is a visible series or instance such that". Attributes without a column are `slow`:
their conditions are tried on the headers of what the others leave over.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from dicomweb.model.keys import Level
from dicomweb.model.query import AllOf, AttributePath, BetweenMoments, CannotSort, Match, OneOf, Order, Query
from storage.catalog import attributes as told
from storage.catalog.conditions import TRUE, Source, Sql, all_of, any_of, condition_sql
from storage.catalog.labels import label_condition
from storage.catalog.matching import NUMBERS
from storage.catalog.projection import Standing
from storage.catalog.sources import ALIAS, held, level_of

_SHOWN = {
    Level.STUDY: "st.visible > 0",
    Level.SERIES: "se.visible > 0",
    Level.INSTANCE: f"i.standing = {Standing.CURRENT}",
}

NARROWING = {
    told.STUDY_INSTANCE: "StudyInstanceUID",
    "00100020": "PatientID",
    "00080050": "AccessionNumber",
    "00080020": "StudyDate",
    told.MODALITIES: "ModalitiesInStudy",
}
"""Keys with a column that usually leave little over."""

_INDEXED = (told.STUDY_INSTANCE, "00100020", "00080050")
"""Attributes of a study with an index."""


@dataclass(frozen=True, slots=True)
class SortKey:
    """One expression that matches are sorted by; those without a value come last."""

    expression: str
    descending: bool = False

    @property
    def text(self) -> str:
        """As it stands behind ORDER BY."""
        return f"{self.expression} {'DESC' if self.descending else 'ASC'} NULLS LAST"

    @property
    def backwards(self) -> str:
        """The same from the last to the first."""
        return f"{self.expression} {'ASC' if self.descending else 'DESC'} NULLS FIRST"


BY_DATE = SortKey("st.newest", True)
"""How studies are listed unless something else is asked for."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a query is answered."""

    level: Level
    origin: str
    """What stands behind FROM: the table of the level, joined with those above that are needed."""
    where: Sql
    of_study: str
    """Study Instance UID whose study the matches belong to, which is not said in `where`: finding its number first
    and looking there costs less than a join. Empty if none is named, or several."""
    slow: tuple[Match, ...]
    """Conditions that need headers."""
    lower: Sql
    """For `slow`: what the instances that are looked at must fulfil, over st, se and i."""
    sort: tuple[SortKey, ...]
    """A total order."""
    few: bool
    """Whether a key with an index leaves few studies or series: they are sorted here, where it costs less."""
    tell: tuple[str, ...]
    """Tags to be told, as far as columns know them, ascending."""
    parents: tuple[str, ...]
    """Those among them that the row of the study must be read for, beside the level's own."""
    from_header: tuple[str, ...]
    """Tags that are told from headers."""
    everything: bool
    """Whether the header is told whole."""
    labels: bool
    """Whether the labels of each match are told."""
    narrowing: tuple[str, ...]
    """Names of keys that were not used and would leave less to be read."""

    def keys(self, more: Sql = TRUE, *, backwards: bool = False) -> Sql:
        """What stands behind SELECT to find the matches in order, or from the last on; `more` must hold too."""
        where = self._where(more)
        order = ", ".join(key.backwards if backwards else key.text for key in self.sort)
        return Sql(f"FROM {self.origin} WHERE {where.text} ORDER BY {order}", where.values)

    def unordered(self, more: Sql = TRUE) -> Sql:
        """The same in no order."""
        where = self._where(more)
        return Sql(f"FROM {self.origin} WHERE {where.text}", where.values)

    def count(self, more: Sql = TRUE) -> Sql:
        """What counts the matches; `more` must hold too."""
        where = self._where(more)
        return Sql(f"SELECT count(*) FROM {self.origin} WHERE {where.text}", where.values)

    def _where(self, more: Sql) -> Sql:
        return self.where if more is TRUE else all_of([self.where, more])


def plan_query(query: Query, extra: Collection[str] = ()) -> Plan:
    """How the query is answered; `extra` are the tags whose values the extra table has for all instances."""
    in_sql = [(match, _fast(match, query.level) or _by_extra(match, extra)) for match in query.matches]
    slow = [match for match, found in in_sql if found is None]
    of_study = "" if slow else _only_study(query)
    fast = [
        found
        for match, found in in_sql
        if found is not None and not (of_study and match.path == (told.STUDY_INSTANCE,))
    ]
    fast += [(Level.STUDY, _anywhere(word)) for word in query.words]
    fast += [(query.level, label_condition(query.level, query.labels))] if query.labels else []
    order = _order(query)
    where = _where(fast, query.level)
    levels = {query.level, *(level for level, _ in fast if level < query.level), *_levels(order, query.level)}
    indexed = query.level is Level.STUDY and any(fixed(query, tag) for tag in _INDEXED)
    few = indexed or (query.level is Level.SERIES and bool(of_study))
    tell, from_header = _told(query)
    return Plan(
        query.level,
        _origin(query.level, levels),
        where,
        of_study,
        tuple(slow),
        all_of([Sql(_SHOWN[Level.INSTANCE]), *(sql for _, sql in fast)]),
        tuple(order),
        few,
        tell,
        _parents(tell, query.level),
        from_header,
        query.include_all,
        query.tell_labels,
        tuple(name for tag, name in NARROWING.items() if all(match.path != (tag,) for match in query.matches)),
    )


def _fast(match: Match, level: Level) -> tuple[Level, Sql] | None:
    """The condition in SQL and the level of the table it is about, None if it needs headers."""
    found = held(match.path[0], level) if len(match.path) == 1 else None
    if found is None:
        return None
    time = None
    if isinstance(match.condition, BetweenMoments):
        beside = held(match.condition.time, level)
        time = beside.source if beside is not None and beside.level is found.level else None
    sql = condition_sql(found.source, match.condition, time)
    return (found.level, sql) if sql is not None else None


_IDENTIFIERS = ("00100020", "00080050", "00200010")
_PATIENT_NAME, _DESCRIPTION = "00100010", "00081030"


def _anywhere(word: str) -> Sql:
    """A folded word stands in one of the attributes by which people know a study, or begins its UID.

    Of identifiers accents are not taken off, which they hardly have: it costs twice what ILIKE does.
    """
    name, description = _text_of(_PATIENT_NAME), _text_of(_DESCRIPTION)
    parts = [Sql(f"contains({name.folded}, ?)", (word,))]
    for source in map(_text_of, _IDENTIFIERS):
        plain = not set(word) & set("%_")
        parts.append(
            Sql(f"{source.expression} ILIKE ?", (f"%{word}%",))
            if plain
            else Sql(f"contains(lower({source.expression}), ?)", (word,))
        )
    parts.append(Sql(f"contains(lower(strip_accents({description.expression})), ?)", (word,)))
    if set(word) <= set("0123456789."):
        parts.append(Sql("starts_with(st.uid, ?)", (word,)))
    return any_of(parts)


def _text_of(tag: str) -> Source:
    """The column of an attribute that studies have one of."""
    found = held(tag, Level.STUDY)
    assert found is not None, tag
    return found.source


def _only_study(query: Query) -> str:
    """The Study Instance UID asked for; empty if none is, or several are."""
    named = [match.condition for match in query.matches if match.path == (told.STUDY_INSTANCE,)]
    if len(named) == 1 and isinstance(named[0], OneOf) and len(named[0].values) == 1:
        return named[0].values[0]
    return ""


def _by_extra(match: Match, extra: Collection[str]) -> tuple[Level, Sql] | None:
    """The condition over the extra table, which has a row for each value."""
    if len(match.path) != 1 or match.path[0] not in extra:
        return None
    number = "x.number" if match.vr in NUMBERS else ""
    source = Source("x.value", match.vr, number=number, folded="x.folded", words="x.words")
    wanted = match.condition
    parts = [OneOf((value,)) for value in wanted.values] if isinstance(wanted, AllOf) else [wanted]
    found = [condition_sql(source, part) for part in parts]
    if None in found:
        return None
    # The tag has eight hexadecimal digits: the settings are checked for it.
    rows = f"i.row IN (SELECT x.row FROM extra x WHERE x.tag = '{match.path[0]}' AND "
    return Level.INSTANCE, all_of([Sql(f"{rows}{part.text})", part.values) for part in found if part])


def _where(fast: Sequence[tuple[Level, Sql]], level: Level) -> Sql:
    shown = Sql(_SHOWN[level])
    here = [sql for at, sql in fast if at <= level]
    below = [(at, sql) for at, sql in fast if at > level]
    return all_of([shown, *here, *([_some_below(below, level)] if below else [])])


def _some_below(below: Sequence[tuple[Level, Sql]], level: Level) -> Sql:
    """There is a visible series or instance for which all these hold."""
    lowest = max(at for at, _ in below)
    inner = all_of([Sql(_SHOWN[lowest]), *(sql for _, sql in below)])
    if level is Level.STUDY and lowest is Level.SERIES:
        return Sql(f"st.no IN (SELECT se.study_no FROM series se WHERE {inner.text})", inner.values)
    joined = " JOIN series se ON se.no = i.series_no" if any(at is Level.SERIES for at, _ in below) else ""
    if level is Level.STUDY:
        return Sql(f"st.no IN (SELECT i.study_no FROM instances i{joined} WHERE {inner.text})", inner.values)
    return Sql(f"se.no IN (SELECT i.series_no FROM instances i WHERE {inner.text})", inner.values)


def _origin(level: Level, levels: set[Level]) -> str:
    if level is Level.STUDY:
        return "studies st"
    if level is Level.SERIES:
        return "series se" + (" JOIN studies st ON st.no = se.study_no" if Level.STUDY in levels else "")
    joins = " JOIN series se ON se.no = i.series_no" if Level.SERIES in levels else ""
    return f"instances i{joins}" + (" JOIN studies st ON st.no = i.study_no" if Level.STUDY in levels else "")


def fixed(query: Query, tag: str) -> bool:
    """Whether the query names exactly one value of a UID."""
    return any(
        match.path == (tag,) and isinstance(match.condition, OneOf) and len(match.condition.values) == 1
        for match in query.matches
    )


def _order(query: Query) -> list[SortKey]:
    asked = [_sort_key(order, query.level) for order in query.order]
    default: list[SortKey] = []
    if query.level is Level.STUDY or not fixed(query, told.STUDY_INSTANCE):
        # Of one date and time, the hash of the UID decides: a number is sorted in half the time of a text.
        default += [BY_DATE, SortKey("st.hash")]
    if query.level is Level.SERIES or (query.level is Level.INSTANCE and not fixed(query, told.SERIES_INSTANCE)):
        default += [SortKey("se.series_number"), SortKey("se.uid")]
    if query.level is Level.INSTANCE:
        default += [SortKey("i.instance_number"), SortKey("i.sop")]
    return [*asked, *default]


def _sort_key(order: Order, level: Level) -> SortKey:
    """Raises CannotSort for attributes without a column at this level or above."""
    found = held(order.path[0], level) if len(order.path) == 1 else None
    if found is None or found.level > level:
        raise CannotSort(order.path)
    return SortKey(found.source.folded or found.source.expression, order.descending)


def _levels(order: Sequence[SortKey], level: Level) -> set[Level]:
    return {at for at in Level if at < level and any(f"{ALIAS[at]}." in key.expression for key in order)}


def _told(query: Query) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tags told from columns, and tags told from headers."""
    level = query.level
    tags = set(told.DEFAULT_ATTRIBUTES[level])
    if level is not Level.STUDY and not fixed(query, told.STUDY_INSTANCE):
        tags.update(told.DEFAULT_ATTRIBUTES[Level.STUDY])
    if level is Level.INSTANCE and not fixed(query, told.SERIES_INSTANCE):
        tags.update(told.DEFAULT_ATTRIBUTES[Level.SERIES])
    named: set[AttributePath] = {*query.include, *(match.path for match in query.matches)}
    named.update((match.condition.time,) for match in query.matches if isinstance(match.condition, BetweenMoments))
    from_header = set()
    for path in named:
        tag = path[0]
        known = level_of(tag)
        if known is None or known > _told_by_row(level) or tag == told.REQUESTS:
            from_header.add(tag)  # the row of a series has only a part of the items of Request Attributes Sequence
        else:
            tags.add(tag)
    return tuple(sorted(tags)), tuple(sorted(from_header - _NAMES_LOWER))


_NAMES_LOWER = {told.SERIES_INSTANCE, told.SOP_INSTANCE, told.SOP_CLASS}
"""What would name one instance of many if it were told from the header of one."""

_IN_SERIES = {told.STUDY_INSTANCE, told.AVAILABILITY, told.TRANSFER_SYNTAXES, "00080201"}
"""What the row of a series knows of its study."""


def _parents(tell: tuple[str, ...], level: Level) -> tuple[str, ...]:
    if level is Level.STUDY:
        return ()
    return tuple(tag for tag in tell if level_of(tag) is Level.STUDY and tag not in _IN_SERIES)


def _told_by_row(level: Level) -> Level:
    """Down to which level the row of a match knows attributes: a study's row has those of its last series."""
    return Level.SERIES if level is Level.STUDY else level
