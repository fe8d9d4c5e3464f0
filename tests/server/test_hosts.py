"""By which names the service may be called, and from whose pages."""

from __future__ import annotations

import pytest

from fillmask.errors import InputError
from fillmask.server.errors import ApiError
from fillmask.server.http.hosts import HostPolicy, OriginPolicy


def error_type(policy: HostPolicy, *hosts: str) -> str | None:
    try:
        policy.check([host.encode("latin-1") for host in hosts])
    except ApiError as error:
        return error.error_type
    return None


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1:8000", "[::1]", "[::1]:8000", "localhost."])
def test_loopback_names_are_the_services(host: str) -> None:
    assert error_type(HostPolicy("127.0.0.1", []), host) is None


@pytest.mark.parametrize(
    "host",
    ["elsewhere.example", "elsewhere.example:8000", "localhost.evil.example", "evil-localhost", "127.0.0.1.nip.io",
     "10.0.0.1", "127.0.0.2", "0.0.0.0", "2130706433", "[::]", "[::ffff:127.0.0.1]"],
)  # fmt: skip
def test_other_names_are_not(host: str) -> None:
    assert error_type(HostPolicy("127.0.0.1", []), host) == "unknown_host"


@pytest.mark.parametrize(
    "host",
    ["", " ", "localhost:", "localhost:x", "localhost:99999", "user@localhost", "localhost/", "localhost,evil.example",
     "localhost evil.example", "http://localhost", "[::1", "::1", "löcalhost", "localhost\t", "a:b:c"],
)  # fmt: skip
def test_what_is_no_host_is_a_bad_request(host: str) -> None:
    expected = None if host.strip() == "localhost" else "bad_request"
    assert error_type(HostPolicy("127.0.0.1", ["*"]), host) == expected


def test_a_missing_or_doubled_host_is_a_bad_request() -> None:
    policy = HostPolicy("127.0.0.1", ["*"])
    assert error_type(policy) == "bad_request"
    assert error_type(policy, "localhost", "localhost") == "bad_request"
    assert error_type(policy, "localhost", "evil.example") == "bad_request"


def test_allowed_hosts() -> None:
    policy = HostPolicy("fill.internal", ["fill.example.org", "*.Fill.test"])
    for host in ("fill.internal", "fill.example.org:443", "a.fill.test", "a.b.FILL.test."):
        assert error_type(policy, host) is None
    for host in ("example.org", "fill.test", "xfill.test", "fill.example.org.evil.example"):
        assert error_type(policy, host) == "unknown_host"
    assert error_type(HostPolicy("127.0.0.1", ["*"]), "anything.example") is None
    for wrong in ("https://example.org", "a b", "", "*.", "example.org:80", "*.*.org"):
        with pytest.raises(InputError, match="--allowed-host"):
            HostPolicy("127.0.0.1", [wrong])


def test_a_service_at_every_address_is_called_by_any_address_and_no_name() -> None:
    for host in ("0.0.0.0", "::"):
        policy = HostPolicy(host, [])
        for address in ("10.1.2.3:8000", "[2001:db8::1]", "192.168.0.7"):
            assert error_type(policy, address) is None
        assert error_type(policy, "elsewhere.example") == "unknown_host"


def origin(policy: OriginPolicy, host: str, *origins: str) -> str | None:
    return policy.check([value.encode("latin-1") for value in origins], host)


@pytest.mark.parametrize(
    ("host", "own"),
    [("localhost:8000", "http://localhost:8000"), ("localhost", "http://localhost"), ("localhost", "https://localhost"),
     ("localhost:443", "https://localhost"), ("[::1]:8000", "http://[::1]:8000"), ("localhost.", "http://localhost")],
)  # fmt: skip
def test_the_services_own_origin(host: str, own: str) -> None:
    assert origin(OriginPolicy([]), host, own) is None
    assert origin(OriginPolicy([]), host) is None


@pytest.mark.parametrize(
    "foreign",
    ["http://evil.example", "null", "http://localhost", "http://localhost:8001", "http://127.0.0.1:8000", "",
     "http://localhost:8000.evil.example", "http://localhost:8000@evil.example", "file://", "localhost:8000",
     "http://localhost:8000/path", "ws://localhost:8000", "http://[::1", "http://localhost:port"],
)  # fmt: skip
def test_other_origins_are_refused(foreign: str) -> None:
    for policy in (OriginPolicy([]), OriginPolicy(["https://example.org"])):
        with pytest.raises(ApiError, match="--cors") as refusal:
            origin(policy, "localhost:8000", foreign)
        assert refusal.value.status == 403
    with pytest.raises(ApiError, match="--cors"):
        origin(OriginPolicy(["*"]), "localhost:8000", "http://localhost:8000", "http://evil.example")


def test_allowed_origins() -> None:
    policy = OriginPolicy(["https://Example.org/", "http://app.test:3000"])
    for allowed in ("https://example.org", "https://EXAMPLE.org:443", "http://app.test:3000"):
        assert origin(policy, "localhost", allowed) == allowed
    assert origin(OriginPolicy(["*"]), "localhost", "null") == "null"
    for wrong in ("example.org", "https://example.org/path", "", "ftp://example.org", "https://"):
        with pytest.raises(InputError, match="--cors"):
            OriginPolicy([wrong])
