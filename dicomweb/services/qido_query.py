"""From the query parameters of a search to a `Query`: pure, whatever the door (PS3.18 8.3.4 and 10.6.1.2).

    /series?StudyInstanceUID=1.2,1.3&Modality=MR&includefield=00081032&limit=10&orderby=-SeriesDate
            \\_______ keys: match and are told back _______/ \\_ told _/ \\_____ page and order _____/

A name that is neither a known parameter nor an attribute is an error with a hint, since a misspelt key that is
passed over in silence gives far too many studies. `orderby` is ours: attributes in the order of weight, a
hyphen before one that runs downwards. So is `search`: words as a person types them who does not say whether
they are of a name, a number or a description. And so is `label`: what bears these labels itself, or as
`labels-constraint` says, any or none of them (without a label: any at all, none at all); `includefield=labels`
tells what labels each match bears.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from dicomweb.model.keys import Level
from dicomweb.model.labels import IllegalLabel, LabelCondition, LabelRule, parse_label
from dicomweb.model.names import fold_text
from dicomweb.model.query import (
    LABELS,
    LABELS_CREATOR,
    AttributePath,
    Between,
    BetweenMoments,
    Condition,
    Match,
    OneOf,
    Order,
    Query,
)
from dicomweb.model.tags import is_private
from dicomweb.services import qido_dates
from dicomweb.services.limits import Limits
from dicomweb.services.qido_attributes import Attribute, BadParameter, hint, parse_attribute
from dicomweb.services.qido_values import BadValue, Switches, conditions_for

STUDY_UID, SERIES_UID, INSTANCE_UID = "0020000D", "0020000E", "00080018"
CONTROLS = frozenset(
    [
        *("fuzzymatching", "emptyvaluematching", "multiplevaluematching"),
        *("includefield", "limit", "offset", "orderby", "search", "label", "labels-constraint"),
        *("accept", "charset"),
    ]
)
"""Query parameters that are no matching keys; `accept` and `charset` belong to the answer (PS3.18 8.3.3)."""
_SPECIFIC_CHARACTER_SET = "00080005"
_MAX_NUMBER = 10**12
_MOST_WORDS = 20
_BETWEEN_WORDS = re.compile(r"[\s,;^=\\]+")
_TIME_OF_DATE = {
    "00080012": "00080013",
    "00080020": "00080030",
    "00080021": "00080031",
    "00080022": "00080032",
    "00080023": "00080033",
    "00100030": "00100032",
    "00400002": "00400003",
    "00400004": "00400005",
    "00400244": "00400245",
    "00400250": "00400251",
}
"""Dates and the times beside them that say one moment (PS3.4 C.2.2.2.5.4)."""


@dataclass(frozen=True, slots=True)
class _Key:
    """A matching key before its value is understood."""

    name: str
    attribute: Attribute
    value: str


@dataclass(slots=True)
class _Sorted:
    """The query parameters, sorted by what they are."""

    controls: dict[str, str] = field(default_factory=dict)
    includes: list[str] = field(default_factory=list)
    orders: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    keys: list[_Key] = field(default_factory=list)


def parse_query(
    level: Level, parents: Sequence[tuple[str, str]], parameters: Iterable[tuple[str, str]], limits: Limits
) -> Query:
    """The query that a search asks.

    `parents` are tags and UIDs that the URL names, `parameters` the percent-decoded query parameters in their
    order. Without `limit`, or with a greater one, the greatest page of the level is meant.

    Raises BadParameter, naming the parameter.
    """
    given = _sort(parameters, limits)
    switches = Switches(
        fuzzy=_switch(given, "fuzzymatching"),
        empty=_switch(given, "emptyvaluematching"),
        multiple=_switch(given, "multiplevaluematching"),
    )
    included = _included(given.includes, limits)
    told = [key.attribute.path for key in given.keys]
    most = {Level.STUDY: limits.max_studies, Level.SERIES: limits.max_series}.get(level, limits.max_instances)
    return Query(
        level=level,
        matches=(*_parent_matches(parents), *_matches(given.keys, switches, limits)),
        include=tuple(dict.fromkeys(path for one in (*told, *included.fields) for path in _with_creator(one))),
        include_all=included.everything,
        order=_orders(given.orders),
        limit=min(_number(given, "limit", most), most),
        offset=_number(given, "offset", 0),
        words=_words(given),
        labels=_labels(given, limits),
        tell_labels=included.labels,
    )


def _sort(parameters: Iterable[tuple[str, str]], limits: Limits) -> _Sorted:
    given = _Sorted()
    seen: dict[AttributePath, str] = {}
    for count, (name, value) in enumerate(parameters):
        if count >= limits.query_keys:
            raise BadParameter(name, f"a search has at most {limits.query_keys} query parameters")
        if not name:
            if value:
                raise BadParameter(name, "a value without a name")
            continue  # Weasis sends `?&`
        if name == "includefield":
            given.includes += value.split(",")
        elif name == "orderby":
            given.orders += value.split(",")
        elif name == "label":
            given.labels += value.split(",")
        elif name in CONTROLS:
            if name in given.controls:
                raise BadParameter(name, "stands twice")
            given.controls[name] = value.strip()
        else:
            attribute = _key_attribute(name)
            if attribute.path in seen:
                raise BadParameter(
                    name, "the attribute is matched twice; values of a list are divided by a comma or a backslash"
                )
            seen[attribute.path] = name
            given.keys.append(_Key(name, attribute, value))
    return given


def _key_attribute(name: str) -> Attribute:
    """The attribute of a matching key, with a hint where the name looks like a parameter."""
    if name.lower() in CONTROLS:
        raise BadParameter(name, f"parameters are written in lower case: {name.lower()}")
    if name.isalpha() and name.islower():
        expected = f"expected an attribute (PatientName, 00100010) or one of {', '.join(sorted(CONTROLS))}"
        raise BadParameter(name, expected + hint(name, CONTROLS))
    return parse_attribute(name, parameter=name)


def _switch(given: _Sorted, name: str) -> bool:
    value = given.controls.get(name, "false").lower()
    if value not in ("true", "false"):
        raise BadParameter(name, "expected true or false")
    return value == "true"


def _number(given: _Sorted, name: str, default: int) -> int:
    value = given.controls.get(name)
    if value is None:
        return default
    if not (value.isascii() and value.isdigit()) or int(value[:20]) > _MAX_NUMBER:
        raise BadParameter(name, f"expected a whole number from 0 to {_MAX_NUMBER}")
    return int(value)


def _words(given: _Sorted) -> tuple[str, ...]:
    """What is searched for anywhere: what stands between blanks, commas and the delimiters of names."""
    words = tuple(dict.fromkeys(filter(None, _BETWEEN_WORDS.split(fold_text(given.controls.get("search", ""))))))
    if len(words) > _MOST_WORDS:
        raise BadParameter("search", f"at most {_MOST_WORDS} words")
    return words


def _labels(given: _Sorted, limits: Limits) -> LabelCondition | None:
    """What is asked of labels, None if nothing is."""
    rule = given.controls.get("labels-constraint", "").lower()
    wanted = tuple(dict.fromkeys(filter(None, (part.strip() for part in given.labels))))
    if len(wanted) > limits.query_values:
        raise BadParameter("label", f"names at most {limits.query_values} labels")
    try:
        labels = tuple(map(parse_label, wanted))
    except IllegalLabel as error:
        raise BadParameter("label", str(error)) from error
    if rule not in ("", *LabelRule):
        raise BadParameter("labels-constraint", f"expected {', '.join(LabelRule)}")
    condition = LabelCondition(labels, LabelRule(rule or LabelRule.ALL))
    return condition if labels or condition.rule is not LabelRule.ALL else None


@dataclass(frozen=True, slots=True)
class _Included:
    """What is to be told beside what always is."""

    everything: bool
    labels: bool
    fields: list[AttributePath]


def _included(names: list[str], limits: Limits) -> _Included:
    """What `includefield` asks for."""
    if len(names) > limits.query_values:
        raise BadParameter("includefield", f"names at most {limits.query_values} attributes")
    wanted = [name for name in dict.fromkeys(part.strip() for part in names) if name]
    words = {"all", "labels"}
    fields = [parse_attribute(name, parameter="includefield").path for name in wanted if name not in words]
    ours = [(LABELS,), (LABELS_CREATOR,)]
    labels = "labels" in wanted or (LABELS,) in fields
    return _Included("all" in wanted, labels, [path for path in fields if path not in ours])


def _with_creator(path: AttributePath) -> tuple[AttributePath, ...]:
    """A private attribute is told with its private creator (PS3.18 10.6.3.3): gggg00xx of ggggxxyy."""
    tag = path[0]
    if is_private(tag) and int(tag[4:6], 16) >= 0x10:
        return ((f"{tag[:4]}00{tag[4:6]}",), path)
    return (path,)


def _orders(names: list[str]) -> tuple[Order, ...]:
    orders: dict[AttributePath, Order] = {}
    for name in (part.strip() for part in names):
        if not name:
            continue
        path = parse_attribute(name.lstrip("-"), parameter="orderby").path
        orders.setdefault(path, Order(path, descending=name.startswith("-")))
    return tuple(orders.values())


def _parent_matches(parents: Sequence[tuple[str, str]]) -> Iterable[Match]:
    for tag, uid in parents:
        yield Match((tag,), "UI", OneOf((uid,)), tag)


def _matches(keys: list[_Key], switches: Switches, limits: Limits) -> list[Match]:
    matches: list[Match] = []
    ranged: dict[AttributePath, int] = {}
    for key in keys:
        if key.attribute.path[-1] == _SPECIFIC_CHARACTER_SET:
            continue  # never matched (PS3.4 C.2.2.2)
        for condition in _conditions(key, switches, limits):
            if isinstance(condition, Between) and qido_dates.is_range(key.value):
                ranged[key.attribute.path] = len(matches)
            matches.append(Match(key.attribute.path, key.attribute.vr, condition, key.name))
    return _combine(matches, ranged)


def _conditions(key: _Key, switches: Switches, limits: Limits) -> tuple[Condition, ...]:
    try:
        return conditions_for(key.value, key.attribute.vr, switches, max_values=limits.query_values)
    except BadValue as error:
        raise BadParameter(key.name, str(error)) from error


def _combine(matches: list[Match], ranged: dict[AttributePath, int]) -> list[Match]:
    """Join each date range with the time range beside it, where both are of the same form."""
    joined: set[int] = set()
    for path, place in ranged.items():
        time_tag = _TIME_OF_DATE.get(path[-1])
        beside = ranged.get((*path[:-1], time_tag)) if time_tag else None
        if beside is None or time_tag is None:
            continue
        both = _moments(matches[place].condition, matches[beside].condition, time_tag)
        if both:
            matches[place] = replace(matches[place], condition=both)
            joined.add(beside)
    return [match for place, match in enumerate(matches) if place not in joined]


def _moments(dates: Condition, times: Condition, time_tag: str) -> BetweenMoments | None:
    if isinstance(dates, Between) and isinstance(times, Between):
        return qido_dates.combined(dates, times, time_tag)
    return None
