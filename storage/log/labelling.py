"""What the events of the log make of the labels of a study, its series and instances: rules beside `standing`.

    labelled     the label is on exactly this scope, for as long as nothing hides it or takes it off
    unlabelled   whatever put that label on that scope before is taken back for good
    removed      hides the labels of scopes that lie within the removal's, put there before it
    restored     brings back those that no other removal in force hides

What the versions of instances go through does nothing to labels: a label on a study of which nothing is visible is
in force, but there is nothing to be seen bearing it. Which removal hides a label is told of one that was taken off
too: how things stood before that can be told then without playing them again.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from dicomweb.model.keys import Scope
from storage.log.standing import Fate, Moment, Place, Removals, State


@dataclass(slots=True)
class LabelAt:
    """A label, where the log put it on something, and its fate so far."""

    version: str
    """Id of the event: what the table calls its row."""
    place: Place
    scope: Scope
    label: str
    fate: Fate


@dataclass(slots=True)
class Labels:
    """The labels of a study in log order; each method is an event that comes after everything before."""

    put: list[LabelAt] = field(default_factory=list)

    def label(self, event_id: str, place: Place, scope: Scope, label: str) -> None:
        """A label was put on a scope."""
        self.put.append(LabelAt(event_id, place, scope, label, Fate(State.LABEL, changed=place[0])))

    def unlabel(self, scope: Scope, label: str, at: Moment) -> None:
        """A label was taken off a scope."""
        for one in self.put:
            if (one.scope, one.label) == (scope, label):
                _turn(one, State.UNLABELLED, at)

    def remove(self, scope: Scope, at: Moment) -> None:
        """A removal hides what lies within its scope."""
        for one in self.put:
            if scope.covers(one.scope) and one.fate.hidden is None:
                one.fate = replace(one.fate, hidden=at)
                _turn(one, State.REMOVED, at)

    def restore(self, scope: Scope, removals: Removals, at: Moment) -> None:
        """An undelete, the last of `removals`, brings back what lies within its scope."""
        for one in self.put:
            if scope.covers(one.scope) and one.fate.hidden is not None:
                one.fate = replace(one.fate, hidden=removals.hider(one.scope, one.place))
                _turn(one, State.REMOVED if one.fate.hidden else State.LABEL, at)


def _turn(one: LabelAt, state: State, at: Moment) -> None:
    """Let a label stand otherwise, if it does; one that was taken off stays so."""
    if one.fate.state in (state, State.UNLABELLED):
        return
    until = None if state is State.LABEL else one.fate.until or at
    one.fate = replace(one.fate, state=state, until=until, changed=at.revision)
