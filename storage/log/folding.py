"""What a fold has to write: a plan, from the events behind the last one folded and the rows they touch.

Nearly all events store an instance nobody knew; their rows are as `rows.rows_of` makes them. Only where an event
meets other versions, or a removal, are the rules of `standing` played through.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dicomweb.model.keys import InstanceKey, Scope
from storage.log.events import Kind
from storage.log.rows import BLANKED, FATE, rows_of, with_columns
from storage.log.standing import Fate, Moment, Place, Removals, Removed, Restored, State, StoredAt, Versions

KNOWN = (
    *("kind", "study", "series", "instance", "version", "since_revision", "ordinal", "time", "target", "leading"),
    *FATE,
)
"""What a plan needs to know of the rows that are there."""


@dataclass(frozen=True, slots=True)
class Touched:
    """Which rows of the table a plan needs to see: `KNOWN` of those in a study that match either way."""

    instances: pa.Array
    """SOP Instance UIDs that are stored."""
    changed: pa.Array
    """Studies something happened to beside storing: all their rows."""
    studies: pa.Array
    """Studies of both."""

    def matching(self, rows: pa.Table) -> pa.Table:
        """Those of the rows that the plan needs to see."""
        named = pc.or_(pc.is_in(rows["instance"], self.instances), pc.is_in(rows["study"], self.changed))
        return rows.filter(pc.and_(pc.is_in(rows["study"], self.studies), pc.fill_null(named, False)))


@dataclass(frozen=True, slots=True)
class FoldPlan:
    """What to write."""

    rows: pa.Table
    """New rows."""
    changes: Mapping[str, Mapping[str, Fate]] = field(default_factory=dict)
    """Of rows that are there: file, then version, to what has become of it."""
    digests: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Of rows that are there: file, then version, to the digest that was open, in hexadecimal."""

    @property
    def files(self) -> set[str]:
        """Those in which rows have changed."""
        return {*self.changes, *self.digests}

    def changed(self, file: str, rows: pa.Table) -> pa.Table:
        """The rows of a file as they are to be."""
        return apply_digests(apply_fates(rows, self.changes.get(file, {})), self.digests.get(file, {}))


@dataclass(frozen=True, slots=True)
class _Act:
    """An event that is not a store."""

    kind: str
    scope: Scope
    at: Moment
    version: str
    target: int
    detail: str


@dataclass(frozen=True, slots=True)
class _Store:
    """A store that has to be played through."""

    key: InstanceKey
    version: str
    at: Moment
    leading: bool


def plan_touched(events: pa.Table) -> Touched:
    """What the plan for these events needs to see."""
    # of columns, not of whole rows: headers would be copied along
    events = events.select(["kind", "study", "instance"])
    stored = pc.equal(events["kind"], str(Kind.STORED))
    return Touched(
        instances=pc.unique(events.filter(stored)["instance"]),
        changed=pc.drop_null(pc.unique(events.filter(pc.invert(stored))["study"])),
        studies=pc.drop_null(pc.unique(events["study"])),
    )


def plan_fold(events: pa.Table, known: pa.Table) -> FoldPlan:
    """The plan for events in log order, as `place_events` gives them, and the rows they touch.

    `known` has the columns `KNOWN`, and `file`: what to call the file a row is in.
    """
    rows = rows_of(events)
    acts = dict(_acts(events))
    replay = _Replay(known.to_pylist())
    stores = replay.stores_to_play(rows, acts.values())
    if not acts and not stores:
        return FoldPlan(rows)
    for place, step in sorted((acts | stores).items()):
        if isinstance(step, _Store):
            replay.store(step, place)
        else:
            replay.act(step, place)
    fates = {one.version: one.fate for one in replay.all_versions()}
    rows = apply_digests(apply_fates(rows, fates), replay.digests)
    return FoldPlan(rows, replay.changes(), replay.digests_by_file())


def _acts(events: pa.Table) -> Iterator[tuple[Place, _Act]]:
    names = (
        "kind",
        "study",
        "series",
        "instance",
        "since_revision",
        "ordinal",
        "time",
        "version",
        "target",
        "detail",
    )
    often = pa.array([str(Kind.STORED), str(Kind.CONDEMNED)])
    for row in events.select(names).filter(pc.invert(pc.is_in(events["kind"], often))).to_pylist():
        if row["study"] is None:
            continue
        scope = Scope(row["study"], row["series"], row["instance"])
        at = Moment(row["since_revision"], row["time"])
        place = (row["since_revision"], row["ordinal"])
        yield place, _Act(row["kind"], scope, at, row["version"] or "", row["target"] or 0, row["detail"] or "")


class _Replay:
    """The instances whose versions are played through, and the removals of their studies."""

    def __init__(self, known: list[dict[str, Any]]) -> None:
        self._by_study: defaultdict[str, dict[InstanceKey, Versions]] = defaultdict(dict)
        self._removals: defaultdict[str, Removals] = defaultdict(Removals)
        self._before: dict[str, tuple[str, Fate]] = {}
        self.digests: dict[str, str] = {}
        """Digests that were open and are known now, by version."""
        for row in sorted(known, key=lambda row: (row["since_revision"], row["ordinal"])):
            place = (row["since_revision"], row["ordinal"])
            if row["kind"] == Kind.STORED:
                fate = _fate(row)
                key = InstanceKey(row["study"], row["series"], row["instance"])
                self._versions(key).stored.append(StoredAt(row["version"], place, row["leading"], fate))
                self._before[row["version"]] = (row["file"], fate)
            else:
                scope = Scope(row["study"], row["series"], row["instance"])
                self._note(row["kind"], scope, place, Moment(place[0], row["time"]), row["target"] or 0)

    def _versions(self, key: InstanceKey) -> Versions:
        study = self._by_study[key.study]
        if key not in study:
            study[key] = Versions(key)
        return study[key]

    def _note(self, kind: str, scope: Scope, place: Place, at: Moment, target: int) -> None:
        if kind == Kind.REMOVED:
            self._removals[scope.study].removed.append(Removed(place, scope, at.time))
        elif kind == Kind.RESTORED:
            self._removals[scope.study].restored.append(Restored(place, scope, target))

    def stores_to_play(self, rows: pa.Table, acts: Iterable[_Act]) -> dict[Place, _Store]:
        """The new versions that meet other versions, or an event other than a store."""
        changed = {act.scope.study for act in acts}
        names = ["study", "series", "instance", "version", "since_revision", "ordinal", "time", "leading"]
        stored = rows.select(["kind", *names]).filter(pc.equal(rows["kind"], str(Kind.STORED)))
        stored = stored.filter(self._may_meet(stored, changed))
        by_key: defaultdict[InstanceKey, list[tuple[Any, ...]]] = defaultdict(list)
        for study, series, instance, *rest in zip(*(stored[name].to_pylist() for name in names), strict=True):
            by_key[InstanceKey(study, series, instance)].append(tuple(rest))
        return {
            (revision, ordinal): _Store(key, version, Moment(revision, time), leading)
            for key, stores in by_key.items()
            if len(stores) > 1 or key.study in changed or key in self._by_study.get(key.study, ())
            for version, revision, ordinal, time, leading in stores
        }

    def _may_meet(self, stored: pa.Table, changed: Iterable[str]) -> pa.Array:
        """Which of these versions may meet others, by SOP Instance UID and study alone."""
        known = {key.instance for study in self._by_study.values() for key in study}
        counted = pc.value_counts(stored["instance"])
        often = counted.field("values").filter(pc.greater(counted.field("counts"), 1))
        others = pa.chunked_array([pa.array(sorted(known), pa.utf8()), often])
        studies = pa.array(sorted(changed), pa.utf8())
        return pc.or_(pc.is_in(stored["instance"], others), pc.is_in(stored["study"], studies))

    def store(self, step: _Store, place: Place) -> None:
        self._versions(step.key).store(step.version, place, step.at.time, leading=step.leading)

    def act(self, step: _Act, place: Place) -> None:
        scope, study = step.scope, step.scope.study
        if step.kind == Kind.DIGESTED:
            self.digests[step.version] = step.detail
            return
        self._note(step.kind, scope, place, step.at, step.target)
        for key, versions in self._by_study.get(study, {}).items():
            if not scope.covers(key):
                continue
            match step.kind:
                case Kind.REMOVED:
                    versions.remove(step.at)
                case Kind.RESTORED:
                    versions.restore(self._removals[study], step.at)
                case Kind.VOIDED:
                    versions.void(step.version, step.at)
                case Kind.PURGED:
                    versions.purge(step.version, step.at)

    def all_versions(self) -> Iterator[StoredAt]:
        for study in self._by_study.values():
            for versions in study.values():
                yield from versions.stored

    def digests_by_file(self) -> dict[str, dict[str, str]]:
        """Those of the rows that are there."""
        found: defaultdict[str, dict[str, str]] = defaultdict(dict)
        for version, digest in self.digests.items():
            if version in self._before:
                found[self._before[version][0]][version] = digest
        return dict(found)

    def changes(self) -> dict[str, dict[str, Fate]]:
        """What has become of the rows that are there, where it is anything new."""
        found: defaultdict[str, dict[str, Fate]] = defaultdict(dict)
        for one in self.all_versions():
            file, before = self._before.get(one.version, ("", one.fate))
            if one.fate != before:
                found[file][one.version] = one.fate
        return dict(found)


def _fate(row: Mapping[str, Any]) -> Fate:
    until, hidden = row["until_revision"], row["hidden_revision"]
    return Fate(
        state=State(row["state"]),
        until=None if until is None else Moment(until, row["until_time"]),
        hidden=None if hidden is None else Moment(hidden, row["hidden_time"]),
        purged=row["purged_revision"] or 0,
        voided=row["voided_revision"] or 0,
        changed=row["changed_revision"],
    )


def _fate_values(fate: Fate) -> tuple[Any, ...]:
    """The columns `FATE`."""
    return (
        fate.until and fate.until.revision,
        fate.until and fate.until.time,
        str(fate.state),
        fate.state is State.CURRENT,
        fate.hidden and fate.hidden.revision,
        fate.hidden and fate.hidden.time,
        fate.purged or None,
        fate.voided or None,
        fate.changed,
    )


def apply_fates(rows: pa.Table, fates: Mapping[str, Fate]) -> pa.Table:
    """The rows with what has become of some versions; what is purged is blank."""
    places = {at: fates[name] for at, name in enumerate(rows["version"].to_pylist()) if name in fates}
    if not places:
        return rows
    columns = {name: rows[name].to_pylist() for name in FATE}
    for at, fate in places.items():
        for name, value in zip(FATE, _fate_values(fate), strict=True):
            columns[name][at] = value
    rows = with_columns(rows, columns)
    if any(fate.purged for fate in places.values()):
        blank = pc.equal(rows["state"], str(State.PURGED))
        for name in BLANKED:
            rows = rows.set_column(
                rows.schema.get_field_index(name), rows.schema.field(name), pc.if_else(blank, None, rows[name])
            )
    return rows


def apply_digests(rows: pa.Table, digests: Mapping[str, str]) -> pa.Table:
    """The rows with digests that were open when they were stored."""
    if not digests:
        return rows
    named = zip(rows["version"].to_pylist(), rows["digest"].to_pylist(), strict=True)
    return with_columns(rows, {"digest": [digests.get(version, digest) for version, digest in named]})
