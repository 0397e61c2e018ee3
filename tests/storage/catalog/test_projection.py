"""The rules of the projection, case by case."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dicomweb.model.keys import Scope
from storage.catalog import projection
from storage.catalog.hot import version_of
from storage.catalog.projection import History, Moment, Position, Removed, Restored, Standing, Versions
from tests.storage.catalog.making import BEGIN, key, store, stored

KEY = key("1")
STUDY = Scope(KEY.study)


def moment(revision: int) -> Moment:
    return Moment(revision, BEGIN + timedelta(minutes=revision))


def with_stored(versions: Versions, revision: int, *, current: bool = True, ordinal: int = 0) -> Versions:
    """The versions with one more, called `v` and its revision."""
    what = stored(KEY, f"v{revision}")
    event = store(what, current=current, minute=revision)
    return projection.store(versions, version_of(what, event, revision, ordinal))


def standings(versions: Versions) -> list[Standing]:
    return [one.standing for one in versions]


def name(revision: int) -> str:
    return stored(KEY, f"v{revision}").version


def removed(revision: int, ordinal: int = 0, scope: Scope = STUDY) -> Removed:
    return Removed(Position(revision, ordinal), scope, moment(revision).time)


def test_a_new_version_replaces_the_current_one() -> None:
    versions = with_stored(with_stored((), 1), 2)

    assert standings(versions) == [Standing.FORMER, Standing.CURRENT]
    assert (versions[0].until, versions[0].changed) == (moment(2), 2)
    assert (versions[1].until, versions[1].changed) == (None, 2)


def test_a_kept_version_stays_beside_the_current_one() -> None:
    versions = with_stored(with_stored(with_stored((), 1), 2, current=False), 3)

    assert standings(versions) == [Standing.FORMER, Standing.KEPT, Standing.CURRENT]


def test_the_last_kept_version_is_current_when_no_other_is_left() -> None:
    versions = with_stored(with_stored(with_stored((), 1), 2, current=False), 3, current=False)

    versions = projection.void(versions, name(1), moment(4))

    assert standings(versions) == [Standing.VOIDED, Standing.KEPT, Standing.CURRENT]


def test_a_removal_hides_all_and_what_is_stored_later_is_visible() -> None:
    versions = projection.remove(with_stored(with_stored((), 1), 2), moment(3))
    assert standings(versions) == [Standing.HIDDEN, Standing.HIDDEN]
    assert [one.until for one in versions] == [moment(2), moment(3)]
    assert projection.was_removed(versions)

    versions = with_stored(versions, 4)
    assert standings(versions) == [Standing.HIDDEN, Standing.HIDDEN, Standing.CURRENT]
    assert not projection.was_removed(versions)


def test_an_undelete_brings_the_current_version_back() -> None:
    versions = projection.remove(with_stored(with_stored((), 1), 2), moment(3))
    history = History((removed(3),), (Restored(Position(4, 0), 3, None),))

    versions = projection.restore(versions, history, moment(4))

    assert standings(versions) == [Standing.FORMER, Standing.CURRENT]
    assert (versions[1].until, versions[1].changed) == (None, 4)


def test_an_undelete_does_not_displace_what_was_stored_since() -> None:
    versions = with_stored(projection.remove(with_stored((), 1), moment(2)), 3)
    history = History((removed(2),), (Restored(Position(4, 0), 2, STUDY),))

    versions = projection.restore(versions, history, moment(4))

    assert standings(versions) == [Standing.FORMER, Standing.CURRENT]


def test_what_two_removals_hide_comes_back_when_both_are_undone() -> None:
    once = projection.remove(with_stored((), 1), moment(2))
    twice = projection.remove(once, moment(3))
    both = (removed(2, scope=Scope(KEY.study, KEY.series)), removed(3))
    first_undone = History(both, (Restored(Position(4, 0), 2, None),))
    both_undone = History(both, (*first_undone.restored, Restored(Position(5, 0), 3, None)))

    after_first = projection.restore(twice, first_undone, moment(4))
    after_both = projection.restore(after_first, both_undone, moment(5))

    assert standings(after_first) == [Standing.HIDDEN]
    assert after_first[0].hidden == moment(3)
    assert standings(after_both) == [Standing.CURRENT]


@pytest.mark.parametrize(
    ("scope", "position", "hidden"),
    [
        (STUDY, Position(2, 0), True),
        (Scope(KEY.study, KEY.series), Position(2, 0), True),
        (KEY.scope, Position(2, 0), True),
        (Scope("1.9"), Position(2, 0), False),
        (Scope(KEY.study, "1.9"), Position(2, 0), False),
        (STUDY, Position(2, 4), True),  # earlier in the entry of the removal
        (STUDY, Position(2, 6), False),  # later in that entry
        (STUDY, Position(3, 0), False),
    ],
)
def test_a_removal_reaches_what_stands_before_it_in_its_scope(
    scope: Scope, position: Position, hidden: bool
) -> None:
    history = History((removed(2, ordinal=5, scope=scope),))

    assert (history.hider(KEY, position) is not None) is hidden


def test_an_undelete_of_one_series_leaves_the_others_removed() -> None:
    other = key("1", "2")
    undo = Restored(Position(3, 0), 2, Scope(KEY.study, KEY.series))
    history = History((removed(2),), (undo,))

    assert history.hider(KEY, Position(1, 0)) is None
    assert history.hider(other, Position(1, 0)) == moment(2)


def test_a_voided_version_counts_as_never_stored() -> None:
    alone = projection.void(with_stored((), 1), name(1), moment(2))
    assert standings(alone) == [Standing.VOIDED]
    assert not projection.was_removed(alone)

    second = projection.void(with_stored(with_stored((), 1), 2), name(2), moment(3))
    assert standings(second) == [Standing.CURRENT, Standing.VOIDED]


def test_a_purged_version_is_gone_for_good() -> None:
    versions = projection.purge(projection.remove(with_stored((), 1), moment(2)), name(1), moment(3))
    history = History((removed(2),), (Restored(Position(4, 0), 2, None),))

    versions = projection.restore(versions, history, moment(4))

    assert standings(versions) == [Standing.PURGED]
    assert (versions[0].until, versions[0].purged, versions[0].changed) == (moment(2), 3, 3)
    assert projection.was_removed(versions)
