"""Which names and origins the service answers to.

A page of any site can make a browser send requests to an address of this
machine, and can let a name of its own resolve to that address (DNS rebinding).
Such requests carry the page's name in `Host` or its origin in `Origin`, which
no page can change; so both are checked for every request.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from fillmask.errors import InputError
from fillmask.server.errors import ApiError
from fillmask.server.settings import LOOPBACK

_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?", re.ASCII)
_PORTS = {"http": "80", "https": "443"}
_ALLOWED = re.compile(r"\*|(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?|\[?[0-9a-f:]*:[0-9a-f:.]*\]?", re.ASCII)


class HostPolicy:
    """The names by which requests may call the service.

    Args:
        host: the address that the service listens at.
        allowed: further names, `*.example.org` for those below a domain, `*` for all.

    Raises:
        InputError: one of them is no name.
    """

    def __init__(self, host: str, allowed: Sequence[str]) -> None:
        for name in allowed:
            if not _ALLOWED.fullmatch(name.lower()):
                raise InputError(
                    f"--allowed-host is {name!r}; expected a name without scheme or port such as fill.example.org,"
                    " *.example.org, or *"
                )
        names = [_normal(name) for name in allowed]
        self._any = "*" in names
        self._names = {*LOOPBACK, _normal(host), *names}
        self._suffixes = tuple(name[1:] for name in names if name.startswith("*."))
        # An address is no name that a page could let resolve here. A service that listens at all addresses of its
        # machine is called by any of them, and by those of what forwards to it.
        self._addresses = host in ("0.0.0.0", "::", "")

    def check(self, hosts: Sequence[bytes]) -> str:
        """The host of a request, as `name` or `name:port` in lower case.

        Args:
            hosts: the values of its `Host` headers.

        Raises:
            ApiError: there is not exactly one, it is malformed, or the service has no such name.
        """
        if len(hosts) != 1:
            raise ApiError("bad_request", f"the request has {len(hosts) or 'no'} Host headers; expected one")
        host = hosts[0].decode("latin-1").strip().lower()
        match = _HOST.fullmatch(host)
        if match is None or int(match["port"] or 0) > 65535:
            raise ApiError("bad_request", f"the Host header is {host[:100]!a}; expected NAME or NAME:PORT")
        name = _normal(match["name"])
        if not (self._any or name in self._names or name.endswith(self._suffixes or ("\0",)) or self._is_address(name)):
            raise ApiError(
                "unknown_host",
                f"the Host header names {name[:100]!a}, which is no name of this service; start it with"
                " --allowed-host NAME to allow it",
            )
        return host

    def _is_address(self, name: str) -> bool:
        if not self._addresses:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


class OriginPolicy:
    """The origins whose pages may call the service: its own, and those that `--cors` names.

    Raises:
        InputError: one of them is no origin.
    """

    def __init__(self, allowed: Sequence[str]) -> None:
        self._any = "*" in allowed
        self._allowed = set()
        for origin in allowed:
            if origin == "*":
                continue
            normal = _normal_origin(origin.lower().rstrip("/"))
            if normal is None:
                raise InputError(f"--cors is {origin!r}; expected an origin such as https://example.org, or *")
            self._allowed.add(normal)

    def check(self, origins: Sequence[bytes], host: str) -> str | None:
        """The origin to name in the answer, where it is another site's that is allowed.

        Args:
            origins: the values of the request's `Origin` headers.
            host: what `HostPolicy.check` gives.

        Raises:
            ApiError: the origin is another site's and not allowed.
        """
        if not origins:
            return None
        origin = origins[0].decode("latin-1").strip()
        normal = _normal_origin(origin.lower())
        if len(origins) == 1 and normal is not None:
            scheme, name, port = normal
            match = _HOST.fullmatch(host)
            if match and (name, port) == (_normal(match["name"]), match["port"] or _PORTS[scheme]):
                return None
        if len(origins) == 1 and (self._any or normal in self._allowed):
            return origin
        raise ApiError(
            "forbidden_origin",
            f"the request is from a page of {origin[:100]!a}, not of this service; start the service with --cors ORIGIN"
            " to allow it",
        )


def _normal(name: str) -> str:
    """A name in lower case, without the brackets of IPv6 and the dot at the end."""
    return name.lower().strip("[]").rstrip(".")


def _normal_origin(origin: str) -> tuple[str, str, str] | None:
    """Scheme, name and port; None where it is no origin of a web page."""
    try:
        parts = urlsplit(origin)
        port = str(parts.port or _PORTS.get(parts.scheme, ""))
    except ValueError:
        return None
    extra = parts.path or parts.query or parts.fragment or parts.username is not None
    if parts.scheme not in _PORTS or not parts.hostname or extra:
        return None
    return parts.scheme, _normal(parts.hostname), port
