"""What has become of versions and labels, as columns of the checkpoint table's rows, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from storage.log.rows import BLANKED, FATE, with_columns
from storage.log.standing import Fate, Moment, State


def fate_of(row: Mapping[str, Any]) -> Fate:
    """What the columns `FATE` of a row tell."""
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
    """The rows with what has become of some of them, named by `version`; what is purged is blank."""
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
