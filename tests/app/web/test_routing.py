"""Finding the route of a path."""

from __future__ import annotations

import pytest

from app.web.routing import RouteTree
from dicomweb.wire.paths import ROUTES, match

MADE = [
    route.template.replace("{study}", "1.2")
    .replace("{series}", "3.4")
    .replace("{instance}", "5.6")
    .replace("{frames}", "1,2")
    .replace("{path}", "00480105/1/00282000")
    for route in ROUTES
]
VARIANTS = {
    path for made in MADE for path in (made, made + "/", made + "/no", made + "//", made.replace("1.2", ""))
}
# an empty attribute path, which the table's pattern lets through and the service would refuse
EMPTY_PATH = "/studies/1.2/series/3.4/instances/5.6/bulkdata//"
PATHS = sorted((VARIANTS | {"", "/", "/no", "//"}) - {EMPTY_PATH})


@pytest.mark.parametrize("path", PATHS)
def test_it_finds_what_the_table_of_routes_says(path: str) -> None:
    routes, variables = RouteTree(ROUTES).find(path)

    for method in ("GET", "POST", "DELETE", "OPTIONS"):
        expected = match(method, path)
        assert routes.get(method) == (expected and expected.route)
        if expected:
            assert variables == dict(expected.variables)
