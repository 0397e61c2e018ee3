"""The capabilities description (PS3.18 8.9)."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from dicomweb.services.capabilities import Capabilities, abilities_of
from dicomweb.wire.paths import ROUTES, Route
from tests.build.asking import ROOT
from tests.build.web import Told, ask

WADL = "{http://wadl.dev.java.net/2009/02}"


async def get(accept: str = "") -> Told:
    return await ask(Capabilities().handlers(), "/", accept=accept)


async def test_wadl_is_given_to_who_says_nothing() -> None:
    told = await get()
    assert told.content_type == "application/vnd.sun.wadl+xml"
    assert told.headers["allow"] == "GET, HEAD, OPTIONS"
    resources = ElementTree.fromstring(told.body).find(WADL + "resources")
    assert resources is not None
    assert resources.get("base") == ROOT


async def test_wadl_names_every_route_with_its_variables() -> None:
    described = set()
    for resource in ElementTree.fromstring((await get()).body).iter(WADL + "resource"):
        template = resource.get("path", "")
        variables = {param.get("name") for param in resource.findall(WADL + "param")}
        assert variables == {part[1:-1] for part in template.split("/") if part.startswith("{")}
        described |= {(method.get("name"), template) for method in resource.findall(WADL + "method")}
    assert described == {(route.method, route.template) for route in ROUTES}


async def test_json_says_the_same() -> None:
    told = await get("application/json")
    assert told.content_type == "application/json"
    body = json.loads(told.body)
    described = {
        (method["name"], resource["path"]) for resource in body["resources"] for method in resource["methods"]
    }
    assert described == {(route.method, route.template) for route in ROUTES}
    assert body["base"] == ROOT


@pytest.mark.parametrize("accept", ["text/html,application/xml;q=0.9,*/*;q=0.8", "text/xml", "*/*"])
async def test_xml_is_given_under_the_name_asked_for(accept: str) -> None:
    told = await get(accept)
    assert told.content_type.endswith("xml")
    assert ElementTree.fromstring(told.body).tag == WADL + "application"


async def test_what_cannot_be_sent_is_406() -> None:
    assert (await get("image/png")).status == 406


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.template}")
def test_every_route_but_deletion_gives_something(route: Route) -> None:
    assert bool(abilities_of(route).responses) is (route.method != "DELETE")
    assert bool(abilities_of(route).requests) is route.operation.startswith("store")
