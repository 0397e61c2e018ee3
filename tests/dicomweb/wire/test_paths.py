"""The table of resources."""

from __future__ import annotations

import pytest

from dicomweb.model.keys import IllegalUid, InstanceKey, Level, Scope
from dicomweb.wire.paths import (
    ROUTES,
    allowed_methods,
    bulkdata_url,
    frame_url,
    instance_key_of,
    match,
    retrieve_url,
    scope_of,
)

KEY = InstanceKey("1.2", "1.3", "1.4")
BASE = "/studies/1.2/series/1.3/instances/1.4"


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.template}")
def test_every_template_is_matched_by_a_path_made_of_it(route) -> None:  # type: ignore[no-untyped-def]  # a Route
    variables = {
        "study": "1.2",
        "series": "1.3",
        "instance": "1.4",
        "frames": "1,2",
        "path": "00480105/1/00282000",
    }
    found = match(route.method, route.template.format(**variables))
    assert found is not None
    assert found.route == route
    assert all(variables[name] == value for name, value in found.variables.items())


@pytest.mark.parametrize(
    "path",
    ["/study", "/studies/1.2/frames", BASE + "/frames/1/2", "/studies//series", "/patients", BASE + "/rendered"],
)
def test_what_is_not_served_is_not_matched(path: str) -> None:
    assert match("GET", path) is None
    assert allowed_methods(path) == ()


def test_a_method_that_the_resource_does_not_know_is_not_matched() -> None:
    assert match("PUT", "/studies") is None
    assert match("POST", BASE) is None


def test_head_goes_where_get_does() -> None:
    found = match("HEAD", BASE)
    assert found is not None
    assert found.route.operation == "retrieve_instance"


@pytest.mark.parametrize("path", ["/studies/", BASE + "/frames/1/", BASE + "/bulkdata/7FE00010/"])
def test_a_slash_at_the_end_is_let_pass(path: str) -> None:
    slashed, plain = match("GET", path), match("GET", path[:-1])
    assert slashed == plain
    assert plain is not None


def test_the_root_is_the_capabilities() -> None:
    for path in ("", "/"):
        found = match("GET", path)
        assert found is not None
        assert found.route.operation == "capabilities"


def test_the_methods_of_a_resource_are_told() -> None:
    assert allowed_methods("/studies") == ("GET", "HEAD", "OPTIONS", "POST")
    assert allowed_methods(BASE) == ("DELETE", "GET", "HEAD", "OPTIONS")


def test_operations_are_not_named_twice_but_for_the_root() -> None:
    operations = [route.operation for route in ROUTES if route.template != "/"]
    assert len(operations) == len(set(operations))


@pytest.mark.parametrize(
    ("path", "level"),
    [("/studies/1.2", Level.STUDY), ("/studies/1.2/series/1.3", Level.SERIES), (BASE, Level.INSTANCE)],
)
def test_a_path_names_a_scope_and_a_scope_a_path(path: str, level: Level) -> None:
    found = match("GET", path)
    assert found is not None
    scope = scope_of(found.variables)
    assert scope.level is level
    assert retrieve_url("https://host/root", scope) == "https://host/root" + path


@pytest.mark.parametrize("uid", ["..", "1..2", "a b", "1.2\n", "1" * 65, "%2e%2e", "1.2."])
def test_a_uid_that_must_not_stand_in_a_key_is_refused(uid: str) -> None:
    with pytest.raises(IllegalUid):
        scope_of({"study": uid})
    with pytest.raises(IllegalUid):
        instance_key_of({"study": "1", "series": "2", "instance": uid})


def test_urls_lead_back_to_what_they_name() -> None:
    bulk = match("GET", bulkdata_url("", KEY, ("00480105", "1", "00282000")))
    frame = match("GET", frame_url("", KEY, 3))
    assert bulk is not None
    assert frame is not None
    assert (instance_key_of(bulk.variables), bulk.variables["path"]) == (KEY, "00480105/1/00282000")
    assert (instance_key_of(frame.variables), frame.variables["frames"]) == (KEY, "3")
    assert scope_of(frame.variables) == Scope("1.2", "1.3", "1.4")
