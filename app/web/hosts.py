"""By which names this server may be called.

A page of a foreign site can point its own name at a loopback or private address and then read from there as if
it were its own (DNS rebinding). It cannot choose what it calls us, though: the Host header then carries the
foreign name. So only loopback names, IP addresses (no name, so nothing was rebound), this machine's name and
configured names pass. That such a page may come from an address trusted as a proxy, its browser being on the same
machine, and write X-Forwarded-* itself makes no difference: every name a request carries has to pass.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

_REMEMBERED = 1000
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Hosts:
    """Decides on Host headers."""

    def __init__(self, *, bound: str, public_url: str, allowed: Iterable[str]) -> None:
        names = {*_LOOPBACK, bound, socket.gethostname(), urlsplit(public_url).hostname or "", *allowed}
        self._names = {name.lower().rstrip(".") for name in names} - {""}
        self._any = "*" in self._names
        self._ours = self._names - {"*", *_LOOPBACK, bound}
        self._known: dict[str, bool] = {}

    def allows(self, host: str) -> bool:
        """Whether a request that calls us so is to be answered. `host` may carry a port."""
        found = self._known.get(host)
        if found is None:
            found = self._any or self._judge(host)
            if len(self._known) < _REMEMBERED:
                self._known[host] = found
        return found

    def is_ours(self, host: str) -> bool:
        """Whether this is a name that the settings, or this machine, give the server; no address is one."""
        return _name_in(host) in self._ours

    def _judge(self, host: str) -> bool:
        name = _name_in(host)
        return bool(name) and (name in self._names or is_address(name))


def _name_in(host: str) -> str:
    """The name or address in a Host header, empty if it holds none."""
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        return ""
    return "" if not name or "@" in host or "/" in host else name.rstrip(".")


def is_address(name: str) -> bool:
    """Whether this is an IP address and not a name."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reached from this machine alone."""
    return host == "localhost" or (is_address(host) and ipaddress.ip_address(host).is_loopback)
