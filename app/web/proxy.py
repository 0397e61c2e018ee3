"""The URL by which a client came, also behind proxies.

    configured public_url                   always wins
    Forwarded (RFC 7239), X-Forwarded-*     believed from trusted peers only
    Host header and our own scheme          otherwise

Some clients (python's `dicomweb-client` among them) leave the port out of the Host header. Where that header is
the very address a connection came in by, the port is known and put back; a name stays as it is, since a proxy on
the default port may have been called by it.

Proxies append to these lists, so they are read from the right: past the entries that trusted proxies speak for,
the first untrusted address is the client. What does not look like a host, scheme or path is left out.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_HOST = re.compile(r"(?:[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~%-]+)+")
_PORT = re.compile(r"[0-9]{1,5}")
_PAIR = re.compile(r'\s*([A-Za-z-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*))\s*(?:;|$)')
_REMEMBERED = 1000
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_LOOPBACK = ("127.0.0.1", "::1")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Approach:
    """How a request reached us."""

    base: str
    """The archive's URL as the client sees it: scheme, host, prefix; no slash at the end."""
    origin: str
    """Scheme and host of it, as browsers write an origin."""
    peer: str
    """Address of the client."""
    proxied: bool
    """Whether a trusted proxy stands between."""
    host: str
    """The name by which the client came, forwarded or in its Host header, with its port; `public_url` or not."""


def completed(host: str, bound: object) -> str:
    """A Host header with the port that its client left out, where that is certain.

    `bound` is our end of the connection as its socket names it: address and port.
    """
    if not host or ":" in host.rpartition("]")[2] or not isinstance(bound, tuple):
        return host
    address, port = bound[:2]
    name = host.strip("[]").lower()
    return f"{host}:{port}" if name == address or (name == "localhost" and address in _LOOPBACK) else host


def parse_networks(entries: Sequence[str]) -> tuple[Network, ...]:
    """Addresses and networks from the settings. Raises ValueError."""
    return tuple(ipaddress.ip_network(entry, strict=False) for entry in entries)


class Proxies:
    """Finds the approach of each request."""

    def __init__(self, *, trusted: Sequence[Network], public_url: str, prefix: str) -> None:
        self._trusted = tuple(trusted)
        self._public = public_url
        self._prefix = prefix
        self._known: dict[tuple[str, str, str], Approach] = {}

    def approach(self, headers: Mapping[str, str], *, scheme: str, host: str, peer: str) -> Approach:
        """The approach of a request with these header fields, received from `peer` under `scheme` and `host`."""
        if self._trusted and self._trusts(peer):
            return self._forwarded(headers, scheme, host, peer)
        found = self._known.get((scheme, host, peer))
        if found is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            found = self._known[scheme, host, peer] = self._made(scheme, host, self._prefix, peer, proxied=False)
        return found

    def _made(self, scheme: str, host: str, prefix: str, peer: str, *, proxied: bool) -> Approach:
        name, mark, port = host.rpartition(":")
        if mark and port == _DEFAULT_PORTS.get(scheme):
            host = name
        base = self._public or f"{scheme}://{host}{prefix}"
        return Approach(base, "/".join(base.split("/")[:3]), peer, proxied, host)

    def _trusts(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer.strip("[]"))
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address in network for network in self._trusted)

    def _forwarded(self, headers: Mapping[str, str], scheme: str, host: str, peer: str) -> Approach:
        said = (
            self._rfc7239(headers["forwarded"], peer)
            if "forwarded" in headers
            else self._x_forwarded(headers, peer)
        )
        prefix = _last(headers, "x-forwarded-prefix", 1).rstrip("/")
        if said.get("proto", "").lower() in ("http", "https"):
            scheme = said["proto"].lower()
        if _HOST.fullmatch(said.get("host", "")):
            host = said["host"]
        if _PORT.fullmatch(said.get("port", "")):
            host = re.sub(r":[0-9]+$", "", host) + ":" + said["port"]
        prefix = prefix if _PREFIX.fullmatch(prefix) else self._prefix
        return self._made(scheme, host, prefix, said.get("for") or peer, proxied=True)

    def _rfc7239(self, field: str, peer: str) -> dict[str, str]:
        said: dict[str, str] = {}
        for element in reversed(_split_elements(field)):
            pairs = {
                name.lower(): quoted.replace("\\", "") if quoted else plain
                for name, quoted, plain in _PAIR.findall(element)
            }
            client = _address(pairs.get("for", ""))
            said = {**said, **pairs, "for": client or said.get("for", peer)}
            if not self._trusts(client):
                break
        return said

    def _x_forwarded(self, headers: Mapping[str, str], peer: str) -> dict[str, str]:
        hops, client = 1, peer
        chain = [_address(entry) for entry in headers.get("x-forwarded-for", "").split(",") if entry.strip()]
        for entry in reversed(chain):
            client = entry
            if not self._trusts(entry):
                break
            hops += 1
        names = ("proto", "host", "port")
        return {name: _last(headers, f"x-forwarded-{name}", hops) for name in names} | {"for": client}


def _last(headers: Mapping[str, str], name: str, hops: int) -> str:
    """The entry that the outermost of `hops` trusted proxies wrote; a single entry speaks for all of them."""
    entries = [entry.strip() for entry in headers.get(name, "").split(",") if entry.strip()]
    return entries[max(len(entries) - hops, 0)] if entries else ""


def _address(text: str) -> str:
    """The address of a `for` entry without its port: `192.0.2.1:80`, `[2001:db8::1]:80`, `2001:db8::1`."""
    text = text.strip().strip('"')
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


def _split_elements(field: str) -> list[str]:
    """The elements of a list whose quoted strings may hold commas."""
    return [element for element in re.findall(r'(?:[^,"]|"(?:[^"\\]|\\.)*")+', field) if element.strip()]
