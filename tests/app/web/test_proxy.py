"""The URL by which a client came."""

from __future__ import annotations

import pytest

from app.web.proxy import Approach, Proxies, completed, parse_networks
from tests.app.serving import serving

PROXY = "10.0.0.1"
CLIENT = "198.51.100.7"


def approach(headers: dict[str, str], *, peer: str = PROXY, public_url: str = "", prefix: str = "") -> Approach:
    proxies = Proxies(trusted=parse_networks(["10.0.0.0/8"]), public_url=public_url, prefix=prefix)
    return proxies.approach(headers, scheme="http", host="inner:8042", peer=peer)


CASES = [
    ("nothing is forwarded", {}, "http://inner:8042", PROXY),
    (
        "X-Forwarded-*",
        {"x-forwarded-proto": "https", "x-forwarded-host": "pacs.example.org", "x-forwarded-for": CLIENT},
        "https://pacs.example.org",
        CLIENT,
    ),
    (
        "a port of its own",
        {"x-forwarded-proto": "https", "x-forwarded-host": "pacs.example.org", "x-forwarded-port": "8443"},
        "https://pacs.example.org:8443",
        PROXY,
    ),
    (
        "the scheme's own port is left out",
        {"x-forwarded-proto": "https", "x-forwarded-host": "pacs.example.org", "x-forwarded-port": "443"},
        "https://pacs.example.org",
        PROXY,
    ),
    (
        "a sub-path",
        {"x-forwarded-host": "pacs.example.org", "x-forwarded-prefix": "/imaging/"},
        "http://pacs.example.org/imaging",
        PROXY,
    ),
    (
        "Forwarded (RFC 7239)",
        {"forwarded": f'for={CLIENT};proto=https;host="pacs.example.org:8443"'},
        "https://pacs.example.org:8443",
        CLIENT,
    ),
    (
        "Forwarded wins over X-Forwarded-*",
        {"forwarded": "proto=https;host=right.example.org", "x-forwarded-host": "wrong.example.org"},
        "https://right.example.org",
        PROXY,
    ),
    (
        "Forwarded with IPv6",
        {"forwarded": 'for="[2001:db8::1]:4711";proto=https;host="[2001:db8::2]"'},
        "https://[2001:db8::2]",
        "2001:db8::1",
    ),
    (
        "two trusted proxies: the outer one saw the client",
        {
            "x-forwarded-for": f"{CLIENT}, 10.0.0.2",
            "x-forwarded-proto": "https, http",
            "x-forwarded-host": "pacs.example.org, middle",
        },
        "https://pacs.example.org",
        CLIENT,
    ),
    (
        "what a client wrote in front of the proxy's entry is not believed",
        {
            "x-forwarded-for": f"6.6.6.6, {CLIENT}",
            "x-forwarded-proto": "http, https",
            "x-forwarded-host": "evil.example, pacs.example.org",
        },
        "https://pacs.example.org",
        CLIENT,
    ),
    (
        "the same in Forwarded",
        {"forwarded": f"for=6.6.6.6;host=evil.example, for={CLIENT};host=pacs.example.org;proto=https"},
        "https://pacs.example.org",
        CLIENT,
    ),
    (
        "what is no host, scheme or path is left out",
        {"x-forwarded-host": 'a"><script>', "x-forwarded-proto": "gopher", "x-forwarded-prefix": "//evil.example"},
        "http://inner:8042",
        PROXY,
    ),
]


@pytest.mark.parametrize(
    ("headers", "base", "peer"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_a_trusted_proxy_tells_how_the_client_came(headers: dict[str, str], base: str, peer: str) -> None:
    found = approach(headers)

    assert (found.base, found.peer, found.proxied) == (base, peer, True)


def test_nobody_else_is_believed() -> None:
    found = approach({"x-forwarded-host": "evil.example", "forwarded": "host=evil.example"}, peer=CLIENT)

    assert found == Approach("http://inner:8042", "http://inner:8042", CLIENT, proxied=False, host="inner:8042")


def test_a_configured_public_url_always_wins() -> None:
    found = approach({"x-forwarded-host": "other.example"}, public_url="https://pacs.example.org/archive")

    assert found.base == "https://pacs.example.org/archive"
    assert found.host == "other.example", "the check of names is not about the configured one"
    assert found.origin == "https://pacs.example.org"


def test_a_configured_prefix_stands_in_for_a_forwarded_one() -> None:
    assert approach({}, prefix="/pacs").base == "http://inner:8042/pacs"
    assert approach({"x-forwarded-prefix": "/other"}, prefix="/pacs").base == "http://inner:8042/other"


async def test_services_are_told_the_root_by_which_the_client_came() -> None:
    async with serving() as server:
        for mount in ("/dicom-web", "/dicomweb"):
            async with server.client.get(f"{server.url}{mount}/studies") as answer:
                assert await answer.text() == f"{server.url}{mount}"


async def test_behind_a_trusted_proxy_it_is_the_forwarded_one() -> None:
    values = {"trusted_proxies": "127.0.0.1", "web.allowed_hosts": "inner,pacs.example.org"}
    async with serving(values=values) as server:
        headers = {"Host": "inner", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "pacs.example.org"}
        async with server.client.get(server.dicomweb + "/studies", headers=headers) as answer:
            assert await answer.text() == "https://pacs.example.org/dicom-web"


async def test_a_sub_path_is_taken_off_whether_or_not_the_proxy_did_so() -> None:
    async with serving(values={"url_prefix": "/pacs"}) as server:
        for path in ("/pacs/dicom-web/studies", "/dicom-web/studies"):
            async with server.client.get(server.url + path) as answer:
                assert await answer.text() == f"{server.url}/pacs/dicom-web"
        async with server.client.get(server.url + "/pacs/health/live") as answer:
            assert answer.status == 200


def test_a_port_left_out_of_the_host_header_is_put_back_where_it_is_certain() -> None:
    here = ("127.0.0.1", 8042)
    assert completed("127.0.0.1", here) == "127.0.0.1:8042"
    assert completed("localhost", here) == "localhost:8042"
    assert completed("[::1]", ("::1", 8042, 0, 0)) == "[::1]:8042"
    # a proxy on port 80 may have been called by these
    assert completed("pacs.example", here) == "pacs.example"
    assert completed("192.0.2.7", here) == "192.0.2.7"
    assert completed("127.0.0.1:80", here) == "127.0.0.1:80"
    assert completed("", here) == ""
    assert completed("127.0.0.1", None) == "127.0.0.1"
