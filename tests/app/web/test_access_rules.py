"""Who may ask: names, credentials, origins."""

from __future__ import annotations

import base64

import pytest

from app.assembly import check_access
from app.values import ConfigError
from app.web.credentials import hash_password, verify_password
from app.web.hosts import Hosts
from dicomweb.services.removal import REVISION
from dicomweb.services.stow_answer import SKIPPED
from tests.app.serving import serving, settings_of

VIEWER = "https://viewer.example.org"
STRANGER = "https://evil.example"


def basic(name: str, password: str) -> str:
    """An Authorization header (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("localhost", True),
        ("localhost:8042", True),
        ("LOCALHOST.", True),
        ("127.0.0.1:8042", True),
        ("[::1]:8042", True),
        ("192.0.2.5:8042", True),
        ("pacs.example.org", True),
        ("archive.example.org:443", True),
        ("evil.example", False),
        ("evil.example:8042", False),
        ("localhost.evil.example", False),
        ("user@localhost", False),
        ("localhost, evil.example", False),
        ("", False),
        ("[::1", False),
    ],
)
def test_only_own_names_and_addresses_are_answered(host: str, allowed: bool) -> None:
    hosts = Hosts(bound="127.0.0.1", public_url="https://pacs.example.org/x", allowed=["archive.example.org"])

    assert hosts.allows(host) is allowed
    assert hosts.allows(host) is allowed, "the remembered decision is the same"


async def test_a_foreign_name_in_the_host_header_is_421() -> None:
    async with serving() as server:
        async with server.client.get(server.dicomweb + "/studies", headers={"Host": "evil.example"}) as answer:
            assert answer.status == 421
            assert "web.allowed_hosts" in (await answer.json())["Message"]
        async with server.client.get(server.url + "/health/live", headers={"Host": "evil.example"}) as answer:
            assert answer.status == 200, "load balancers ask for health by any name"
        assert server.asked == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example", "X-Forwarded-Host": "localhost"},
        {"Host": "evil.example", "Forwarded": "host=127.0.0.1"},
        {"Host": "localhost", "X-Forwarded-Host": "evil.example"},
    ],
)
async def test_trusted_proxies_do_not_switch_the_check_of_names_off(headers: dict[str, str]) -> None:
    # a page that was rebound to a server on its own machine comes from a trusted address, too
    values = {"trusted_proxies": "127.0.0.1", "public_url": "https://pacs.example.org"}
    async with (
        serving(values=values) as server,
        server.client.get(server.dicomweb + "/studies", headers=headers) as answer,
    ):
        assert answer.status == 421
        assert server.asked == []


async def test_where_credentials_are_asked_for_a_trusted_proxy_may_use_any_name() -> None:
    environment = {"DICOMLAKE_AUTH_TOKENS": "robot:t0ken", "DICOMLAKE_TRUSTED_PROXIES": "127.0.0.1"}
    headers = {"Host": "inner", "X-Forwarded-Host": "any.example"}
    async with serving(environment=environment) as server:
        async with server.client.get(server.dicomweb + "/studies", headers=headers) as answer:
            assert answer.status == 401
        headers["Authorization"] = "Bearer t0ken"
        async with server.client.get(server.dicomweb + "/studies", headers=headers) as answer:
            assert answer.status == 200


@pytest.mark.parametrize("environment", [{}, {"DICOMLAKE_AUTH_TOKENS": "robot:t0ken"}])
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1:3000"])
async def test_a_forwarded_name_does_not_make_an_origin_our_own(environment: dict[str, str], host: str) -> None:
    values = {"trusted_proxies": "127.0.0.1", "web.allowed_hosts": "*"}
    headers = {"Origin": f"http://{host}", "X-Forwarded-Host": host, "Authorization": "Bearer t0ken"}
    async with serving(values=values, environment=environment) as server:
        async with server.client.post(server.dicomweb + "/studies", data=b"x", headers=headers) as answer:
            assert answer.status == 403
        assert server.asked == []


async def test_pages_of_a_configured_name_may_write_through_the_proxy() -> None:
    headers = {"X-Forwarded-Host": "pacs.example.org", "X-Forwarded-Proto": "https", "Host": "localhost"}
    headers["Origin"] = "https://pacs.example.org"
    for name in ("web.allowed_hosts", "public_url"):
        value = "pacs.example.org" if name == "web.allowed_hosts" else "https://pacs.example.org"
        async with (
            serving(values={"trusted_proxies": "127.0.0.1", name: value}) as server,
            server.client.post(server.dicomweb + "/studies", data=b"x", headers=headers) as answer,
        ):
            assert answer.status == 200, name


async def test_a_star_allows_any_name() -> None:
    async with (
        serving(values={"web.allowed_hosts": "*"}) as server,
        server.client.get(server.dicomweb + "/studies", headers={"Host": "any.example"}) as answer,
    ):
        assert answer.status == 200


def test_a_hash_is_of_one_password_and_salted() -> None:
    stored = hash_password("correct horse")

    assert verify_password("correct horse", stored)
    assert not verify_password("wrong horse", stored)
    assert stored != hash_password("correct horse")
    assert "correct" not in stored


@pytest.mark.parametrize("stored", ["scrypt$", "scrypt$1$2$3$4$5", "scrypt$16384$8$1$!!$!!", ""])
def test_a_damaged_hash_lets_nobody_in(stored: str) -> None:
    assert not verify_password("password", stored)


async def test_basic_and_bearer_let_in_and_all_else_is_401() -> None:
    environment = {
        "DICOMLAKE_AUTH_USERS": f"alice:{hash_password('secret')},bob:plain",
        "DICOMLAKE_AUTH_TOKENS": "robot:t0ken",
    }
    bearer = {"Authorization": "Bearer t0ken"}
    wrong = [
        {},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic !!!"},
        {"Authorization": basic("alice", "plain")},
        {"Authorization": basic("alice", "")},
        {"Authorization": basic("mallory", "secret")},
        {"Authorization": basic("", "secret")},
        {"Authorization": "Digest username=alice"},
    ]
    right = [
        bearer,
        *({"Authorization": basic(*pair)} for pair in (("alice", "secret"), ("bob", "plain"))),
    ]
    async with serving(environment=environment) as server:
        studies = server.dicomweb + "/studies"
        for headers in wrong:
            async with server.client.get(studies, headers=headers) as answer:
                assert answer.status == 401, headers
                challenges = answer.headers.getall("WWW-Authenticate")
                assert [one.split()[0] for one in challenges] == ["Basic", "Bearer"]
        assert server.asked == []
        for headers in right * 2:
            async with server.client.get(studies, headers=headers) as answer:
                assert answer.status == 200, headers
        async with server.client.get(server.url + "/metrics") as answer:
            assert answer.status == 401
        async with server.client.get(server.url + "/health/ready") as answer:
            assert answer.status == 200


@pytest.mark.parametrize(
    ("authorization", "said"),
    [
        ("", "needs a user name and password, or a token"),
        (basic("bob", "wrong"), "the user name or the password is wrong"),
        (basic("nobody", "plain"), "the user name or the password is wrong"),
        ("Bearer nonsense", "the token is wrong"),
    ],
)
async def test_a_wrong_password_is_told_from_none(authorization: str, said: str) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    async with (
        serving(environment={"DICOMLAKE_AUTH_USERS": "bob:plain"}) as server,
        server.client.get(server.dicomweb + "/studies", headers=headers) as answer,
    ):
        assert answer.status == 401
        assert said in (await answer.json())["Message"]


async def test_a_preflight_needs_no_credentials() -> None:
    headers = {"Origin": VIEWER, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "range"}
    async with (
        serving(environment={"DICOMLAKE_AUTH_USERS": "bob:plain"}) as server,
        server.client.options(server.dicomweb + "/studies", headers=headers) as answer,
    ):
        assert answer.status == 204
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Access-Control-Allow-Methods"] == "GET, HEAD, OPTIONS"
        for name in ("Accept", "Authorization", "Content-Type", "Range"):
            assert name in answer.headers["Access-Control-Allow-Headers"]


async def test_any_page_may_read_and_sees_our_headers() -> None:
    async with (
        serving() as server,
        server.client.get(server.dicomweb + "/studies", headers={"Origin": STRANGER}) as answer,
    ):
        assert answer.status == 200
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in answer.headers
        exposed = answer.headers["Access-Control-Expose-Headers"]
        for name in ("Content-Range", "ETag", "Warning", "X-Total-Count", REVISION, SKIPPED, "X-Request-Id"):
            assert name in exposed


async def test_errors_can_be_read_by_pages_too() -> None:
    async with (
        serving() as server,
        server.client.get(server.dicomweb + "/nothing", headers={"Origin": STRANGER}) as answer,
    ):
        assert answer.status == 404
        assert answer.headers["Access-Control-Allow-Origin"] == "*"


async def test_where_reading_is_limited_other_origins_get_no_cors_headers() -> None:
    async with serving(values={"web.cors_origins": VIEWER}) as server:
        async with server.client.get(server.dicomweb + "/studies", headers={"Origin": STRANGER}) as answer:
            assert "Access-Control-Allow-Origin" not in answer.headers
            assert "Origin" in answer.headers["Vary"]
        async with server.client.get(server.dicomweb + "/studies", headers={"Origin": VIEWER}) as answer:
            assert answer.headers["Access-Control-Allow-Origin"] == VIEWER


async def test_pages_of_other_origins_store_and_delete_only_if_listed() -> None:
    async with serving(values={"web.cors_write_origins": VIEWER}) as server:
        studies, study = server.dicomweb + "/studies", server.dicomweb + "/studies/1.2"
        for origin, status in ((STRANGER, 403), ("null", 403), (VIEWER, 200), (server.url, 200)):
            async with server.client.post(studies, data=b"x", headers={"Origin": origin}) as answer:
                assert answer.status == status, origin
            async with server.client.delete(study, headers={"Origin": origin}) as answer:
                assert answer.status == status, origin
        assert len(server.asked) == 4
        preflight = {"Origin": VIEWER, "Access-Control-Request-Method": "POST"}
        async with server.client.options(studies, headers=preflight) as answer:
            assert "POST" in answer.headers["Access-Control-Allow-Methods"]
            assert answer.headers["Access-Control-Allow-Origin"] == VIEWER


async def test_programs_send_no_origin_and_may_write() -> None:
    async with serving() as server, server.client.post(server.dicomweb + "/studies", data=b"x") as answer:
        assert answer.status == 200


def test_an_address_of_the_network_needs_credentials_or_a_word() -> None:
    with pytest.raises(ConfigError, match="allow-anonymous"):
        check_access(settings_of({"host": "0.0.0.0"}))

    check_access(settings_of({"host": "0.0.0.0", "allow_anonymous": True}))
    check_access(settings_of({"host": "0.0.0.0"}, {"DICOMLAKE_AUTH_TOKENS": "robot:t0ken"}))
    for loopback in ("127.0.0.1", "localhost", "::1", "127.0.0.2"):
        check_access(settings_of({"host": loopback}))
