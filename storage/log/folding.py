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
from storage.log.fates import apply_digests, apply_fates, fate_of
from storage.log.labelling import LabelAt, Labels
from storage.log.rows import FATE, rows_of
from storage.log.standing import Fate, Moment, Place, Removals, Removed, Restored, StoredAt, Versions

KNOWN = (
    *("kind", "study", "series", "instance", "version", "since_revision", "ordinal", "time", "target", "leading"),
    "label",
    *FATE,
)
"""What a plan needs to know of the rows that are there."""
_LABELS = pa.array([str(Kind.LABELLED), str(Kind.UNLABELLED)])


@dataclass(frozen=True, slots=True)
class Touched:
    """Which rows of the table a plan needs to see: `KNOWN` of those in a study that match either way."""

    instances: pa.Array
    """SOP Instance UIDs that are stored."""
    changed: pa.Array
    """Studies something happened to beside storing and labelling: all their rows."""
    labelled: pa.Array
    """Studies in which labels were put on or taken off: their rows but for those of versions."""
    studies: pa.Array
    """Studies of all three."""

    def matching(self, rows: pa.Table) -> pa.Table:
        """Those of the rows that the plan needs to see."""
        named = pc.or_(pc.is_in(rows["instance"], self.instances), pc.is_in(rows["study"], self.changed))
        beside = pc.not_equal(rows["kind"], str(Kind.STORED))
        named = pc.or_kleene(named, pc.and_(beside, pc.is_in(rows["study"], self.labelled)))
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
    label: str
    event_id: str


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
    stored, labels = pc.equal(events["kind"], str(Kind.STORED)), pc.is_in(events["kind"], _LABELS)
    others = pc.invert(pc.or_(stored, labels))
    return Touched(
        instances=pc.unique(events.filter(stored)["instance"]),
        changed=pc.drop_null(pc.unique(events.filter(others)["study"])),
        labelled=pc.drop_null(pc.unique(events.filter(labels)["study"])),
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
    fates = {one.version: one.fate for one in replay.everything()}
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
        "label",
        "event_id",
    )
    often = pa.array([str(Kind.STORED), str(Kind.CONDEMNED)])
    for row in events.select(names).filter(pc.invert(pc.is_in(events["kind"], often))).to_pylist():
        if row["study"] is None:
            continue
        scope = Scope(row["study"], row["series"], row["instance"])
        at = Moment(row["since_revision"], row["time"])
        place = (row["since_revision"], row["ordinal"])
        version, target, detail = row["version"] or "", row["target"] or 0, row["detail"] or ""
        yield place, _Act(row["kind"], scope, at, version, target, detail, row["label"] or "", row["event_id"])


class _Replay:
    """The instances whose versions are played through, and the labels and removals of their studies."""

    def __init__(self, known: list[dict[str, Any]]) -> None:
        self._by_study: defaultdict[str, dict[InstanceKey, Versions]] = defaultdict(dict)
        self._removals: defaultdict[str, Removals] = defaultdict(Removals)
        self._labels: defaultdict[str, Labels] = defaultdict(Labels)
        self._before: dict[str, tuple[str, Fate]] = {}
        self.digests: dict[str, str] = {}
        """Digests that were open and are known now, by version."""
        for row in sorted(known, key=lambda row: (row["since_revision"], row["ordinal"])):
            place = (row["since_revision"], row["ordinal"])
            version, scope = row["version"], Scope(row["study"], row["series"], row["instance"])
            if row["kind"] not in (Kind.STORED, Kind.LABELLED):
                self._note(row["kind"], scope, place, Moment(place[0], row["time"]), row["target"] or 0)
                continue
            fate = fate_of(row)
            self._before[version] = (row["file"], fate)
            if row["kind"] == Kind.LABELLED:
                self._labels[scope.study].put.append(LabelAt(version, place, scope, row["label"], fate))
            else:
                key = InstanceKey(row["study"], row["series"], row["instance"])
                self._versions(key).stored.append(StoredAt(version, place, row["leading"], fate))

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
        changed = {act.scope.study for act in acts if not act.label}
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
        labels = self._labels[study]
        match step.kind:
            case Kind.DIGESTED:
                self.digests[step.version] = step.detail
                return
            case Kind.LABELLED:
                labels.label(step.event_id, place, scope, step.label)
                return
            case Kind.UNLABELLED:
                labels.unlabel(scope, step.label, step.at)
                return
        self._note(step.kind, scope, place, step.at, step.target)
        match step.kind:
            case Kind.REMOVED:
                labels.remove(scope, step.at)
            case Kind.RESTORED:
                labels.restore(scope, self._removals[study], step.at)
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

    def everything(self) -> Iterator[StoredAt | LabelAt]:
        """Whatever has a fate."""
        for study in self._by_study.values():
            for versions in study.values():
                yield from versions.stored
        for labels in self._labels.values():
            yield from labels.put

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
        for one in self.everything():
            file, before = self._before.get(one.version, ("", one.fate))
            if one.fate != before:
                found[file][one.version] = one.fate
        return dict(found)
