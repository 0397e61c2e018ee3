"""The table of resources."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from dicomweb.model.keys import IllegalUid, InstanceKey, Level, Scope
from dicomweb.wire.paths import ROUTES, bulkdata_url, frame_url, instance_key_of, retrieve_url, scope_of
from dicomweb.wire.routing import RouteTree

KEY = InstanceKey("1.2", "1.3", "1.4")
BASE = "/studies/1.2/series/1.3/instances/1.4"


def variables_of(path: str) -> Mapping[str, str]:
    """What the variables of a path's routes stand for."""
    routes, variables = RouteTree(ROUTES).find(path)
    assert routes
    return variables


def test_operations_are_not_named_twice_but_for_the_root() -> None:
    operations = [route.operation for route in ROUTES if route.template != "/"]
    assert len(operations) == len(set(operations))


@pytest.mark.parametrize(
    ("path", "level"),
    [("/studies/1.2", Level.STUDY), ("/studies/1.2/series/1.3", Level.SERIES), (BASE, Level.INSTANCE)],
)
def test_a_path_names_a_scope_and_a_scope_a_path(path: str, level: Level) -> None:
    scope = scope_of(variables_of(path))
    assert scope.level is level
    assert retrieve_url("https://host/root", scope) == "https://host/root" + path


@pytest.mark.parametrize("uid", ["..", "1..2", "a b", "1.2\n", "1" * 65, "%2e%2e", "1.2."])
def test_a_uid_that_must_not_stand_in_a_key_is_refused(uid: str) -> None:
    with pytest.raises(IllegalUid):
        scope_of({"study": uid})
    with pytest.raises(IllegalUid):
        instance_key_of({"study": "1", "series": "2", "instance": uid})


def test_urls_lead_back_to_what_they_name() -> None:
    bulk = variables_of(bulkdata_url("", KEY, ("00480105", "1", "00282000")))
    frame = variables_of(frame_url("", KEY, 3))
    assert (instance_key_of(bulk), bulk["path"]) == (KEY, "00480105/1/00282000")
    assert (instance_key_of(frame), frame["frames"]) == (KEY, "3")
    assert scope_of(frame) == Scope("1.2", "1.3", "1.4")
