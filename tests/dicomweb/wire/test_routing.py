"""Finding the route of a path."""

from __future__ import annotations

import pytest

from dicomweb.wire.paths import ROUTES, Route
from dicomweb.wire.routing import RouteTree, allowed_methods

TREE = RouteTree(ROUTES)
BASE = "/studies/1.2/series/1.3/instances/1.4"
VARIABLES = {
    "label": "urgent",
    "study": "1.2",
    "series": "1.3",
    "instance": "1.4",
    "frames": "1,2",
    "path": "00480105/1/00282000",
    "revision": "1234",
}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.template}")
def test_every_route_is_found_by_a_path_made_of_its_template(route: Route) -> None:
    routes, variables = TREE.find(route.template.format(**VARIABLES))

    assert routes[route.method] == route
    assert variables == {name: text for name, text in VARIABLES.items() if f"{{{name}}}" in route.template}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.template}")
def test_a_slash_at_the_end_is_let_pass_and_two_are_not(route: Route) -> None:
    path = route.template.rstrip("/").format(**VARIABLES)

    assert TREE.find(path + "/") == TREE.find(path)
    if "{path}" not in route.template:
        assert TREE.find(path + "//") == ({}, {})


@pytest.mark.parametrize(
    "path",
    [
        "/no",
        "/study",
        "/patients",
        "/studies/1.2/frames",
        "/studies//series",
        "/studies/1.2/series//instances",
        "/studies/1.2/no",
        BASE + "/frames/1/2",
        BASE + "/rendered/no",
        BASE + "/bulkdata//",
    ],
)
def test_what_is_not_served_has_no_route(path: str) -> None:
    assert TREE.find(path) == ({}, {})


@pytest.mark.parametrize("path", ["", "/"])
def test_the_root_is_the_capabilities(path: str) -> None:
    routes, _ = TREE.find(path)

    assert {method: route.operation for method, route in routes.items()} == {
        "GET": "capabilities",
        "OPTIONS": "capabilities",
    }


@pytest.mark.parametrize(
    ("path", "methods"),
    [("/studies", ("GET", "HEAD", "OPTIONS", "POST")), (BASE, ("DELETE", "GET", "HEAD", "OPTIONS"))],
)
def test_the_methods_of_a_resource_are_told(path: str, methods: tuple[str, ...]) -> None:
    assert allowed_methods(TREE.find(path)[0]) == methods


def test_what_cannot_be_got_knows_no_head() -> None:
    assert allowed_methods(["DELETE"]) == ("DELETE", "OPTIONS")
