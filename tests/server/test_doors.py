"""Who may ask, by which path and name: on a running service, over sockets."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from served import JSON, PHRASE, Service, refused

_BODY = json.dumps({"inputs": PHRASE}).encode()
_PREFIX = "/some/prefix"
_CORS = "https://pages.example"
_OWN_PATHS = ["/", "/docs", "/docs/docs.js", "/info", "/health", "/openapi.json", "/style.css"]


@pytest.fixture(scope="module")
def behind_a_proxy(modernbert_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with every option of this module: prefix, names, origins, keys of a file, a port for metrics."""
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text("first-key\nsecond-key\n")
    service = Service(
        "--model", str(modernbert_folder), "--root-path", _PREFIX, "--allowed-host", "fill.example.org",
        "--cors", _CORS, "--api-key-file", str(keys), "--metrics-port", "0", "--keep-alive", "0.5",
        FILLMASK_ALLOWED_HOSTS="ignored.example",
    )  # fmt: skip
    service.worker()
    yield service
    service.end()


@pytest.fixture
def proxied(behind_a_proxy: Service) -> Iterator[httpx.Client]:
    with behind_a_proxy.client(headers={"Authorization": "Bearer second-key"}) as client:
        yield client


def exchange(service: Service, *lines: str, body: bytes = b"") -> bytes:
    """The answer to a request that no HTTP library would send."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        connection.settimeout(60)
        answer = b""
        while not answer.endswith(b"}") and (data := connection.recv(65536)):
            answer += data
    return answer


def status(answer: bytes) -> int:
    return int(answer[9:12])


@pytest.mark.parametrize("ending", ["%0A", "%0D", "%0D%0A", "/", "%00", "%2F", "%20", ";a", "%E2%80%A8", "%0B", "."])
@pytest.mark.parametrize("path", ["/v1/fill-mask", "/v1/score", "/v1/restore", "/v1/classify"])
def test_no_spelling_of_a_path_passes_the_limits(service: Service, path: str, ending: str) -> None:
    """It is 404 before a byte of the body is there."""
    answer = exchange(
        service,
        f"POST {path}{ending} HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json",
        "Content-Length: 300000000",
    )
    assert status(answer) == 404
    assert b"connection: close" in answer.lower()


@pytest.mark.parametrize(
    "line",
    ["POST //v1/fill-mask", "POST /V1/fill-mask", "POST /v1//fill-mask", "POST /v1/./fill-mask", "POST /%2Fv1/fill-mask",
     "POST /v1/fill-mask%2F", "GET /docs%0A", "GET /style.css%0A", "GET /health/live%0A", "POST %2Fv1/fill-mask"],
)  # fmt: skip
def test_paths_of_no_route(service: Service, line: str) -> None:
    answer = exchange(service, f"{line} HTTP/1.1", "Host: localhost", "Content-Type: application/json", f"Content-Length: {len(_BODY)}", body=_BODY)  # fmt: skip
    assert status(answer) in (400, 404)


@pytest.mark.parametrize("line", ["PUT /v1/fill-mask", "POST /info", "GET /v1/restore", "DELETE /health", "POST /docs"])
def test_a_wrong_method_is_405_before_its_body_is_read(service: Service, line: str) -> None:
    answer = exchange(service, f"{line} HTTP/1.1", "Host: localhost", "Content-Length: 300000000")
    assert status(answer) == 405
    assert b"\r\nallow: " in answer.lower()


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [([], 400), (["localhost", "localhost"], 400), (["localhost", "evil.example"], 400), ([""], 400),
     (["a b"], 400), (["elsewhere.example"], 421), (["elsewhere.example:80"], 421), (["10.0.0.1"], 421),
     (["LocalHost:1"], 200), (["127.0.0.1"], 200), (["[::1]:8000"], 200)],
)  # fmt: skip
def test_the_host_is_checked(service: Service, hosts: list[str], expected: int) -> None:
    for path in ("/info", "/health/live", "/"):
        answer = exchange(service, f"GET {path} HTTP/1.1", *(f"Host: {host}" for host in hosts), "Connection: close")
        assert status(answer) == expected, path


def test_a_page_of_another_site_is_refused(service: Service, client: httpx.Client) -> None:
    for origin in ("http://evil.example", "null", "http://localhost:1", "https://127.0.0.1"):
        for path in ("/info", "/v1/fill-mask"):
            message = refused(client.get(path, headers={"Origin": origin}), 403, "forbidden_origin")
            assert "--cors" in message
        refused(
            client.post("/v1/fill-mask", content=_BODY, headers={**JSON, "Origin": origin}), 403, "forbidden_origin"
        )
    own = client.post("/v1/fill-mask", content=_BODY, headers={**JSON, "Origin": service.url})
    assert own.status_code == 200
    assert not [name for name in own.headers if name.startswith("access-control")]
    refused(client.options("/v1/fill-mask", headers={"Origin": _CORS, "Access-Control-Request-Method": "POST"}), 403, "forbidden_origin")  # fmt: skip


def test_an_allowed_page_may_ask_and_read_answers_and_errors(proxied: httpx.Client, behind_a_proxy: Service) -> None:
    asked = {"Origin": _CORS, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    preflight = httpx.options(f"{behind_a_proxy.url}/v1/fill-mask", headers=asked)  # browsers send no key with it
    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (204, _CORS)
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert "content-type" in preflight.headers["access-control-allow-headers"]
    for body, expected in ((_BODY, 200), (b"{", 400)):
        answer = proxied.post("/v1/fill-mask", content=body, headers={**JSON, "Origin": _CORS})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (expected, _CORS)
        assert answer.headers["vary"] == "Origin"
    without_key = httpx.get(f"{behind_a_proxy.url}/info", headers={"Origin": _CORS})
    assert (without_key.status_code, without_key.headers["access-control-allow-origin"]) == (401, _CORS)
    refused(proxied.get("/info", headers={"Origin": "https://evil.example"}), 403, "forbidden_origin")


def test_allowed_names(proxied: httpx.Client) -> None:
    assert proxied.get("/info", headers={"Host": "fill.example.org"}).status_code == 200
    assert proxied.get("/info", headers={"Host": "fill.example.org", "Origin": "https://fill.example.org"}).status_code == 200  # fmt: skip
    refused(proxied.get("/info", headers={"Host": "ignored.example"}), 421, "unknown_host")  # the option wins


def test_everything_works_under_a_prefix(proxied: httpx.Client) -> None:
    for prefix in ("", _PREFIX):
        for path in _OWN_PATHS:
            assert proxied.get(prefix + path).status_code == 200, prefix + path
        for path in ("/v1/fill-mask", "/v1/score", "/"):
            body = {"inputs": PHRASE if path != "/v1/score" else "The old dog."}
            assert proxied.post(prefix + path, json=body).status_code == 200, prefix + path
        assert proxied.post(f"{prefix}/v1/restore", json={"inputs": "The old d[.]g"}).status_code == 200
        refused(proxied.post(f"{prefix}/v1/fill-mask%0A", json={"inputs": PHRASE}), 404, "not_found")
        refused(proxied.post(f"{prefix}/v1/restore", content=b"x" * 2_000_000, headers=JSON), 413, "body_too_large")
    answer = proxied.get(_PREFIX)
    assert (answer.status_code, answer.headers["location"]) == (307, f"{_PREFIX}/")


def test_pages_link_to_what_is_there_under_a_prefix(proxied: httpx.Client) -> None:
    for page in (f"{_PREFIX}/", f"{_PREFIX}/docs"):
        links = re.findall(r"""(?:src|href)="([^"#]+)\"""", proxied.get(page).text)
        for link in links:
            if not link.startswith("data:"):
                url = httpx.URL(str(proxied.base_url).rstrip("/") + page).join(link)
                assert url.path.startswith(_PREFIX + "/")
                if not url.path.endswith("/metrics"):
                    assert proxied.get(url).status_code == 200, link
    for page in ("/docs/", "/docs/index.html"):
        answer = proxied.get(_PREFIX + page)
        assert answer.status_code == 308
        assert httpx.URL(f"http://a{_PREFIX}{page}").join(answer.headers["location"]).path == f"{_PREFIX}/docs"
    assert proxied.get(f"{_PREFIX}/openapi.json").json()["servers"] == [{"url": _PREFIX}]
    script = proxied.get("/docs/docs.js").text
    assert not re.search(r"""fetch\(["'`]/""", script), "an absolute path does not work behind a prefix"


def test_any_of_several_keys(behind_a_proxy: Service) -> None:
    with behind_a_proxy.client() as client:
        for key in ("first-key", "second-key"):
            assert client.get("/info", headers={"Authorization": f"Bearer {key}"}).status_code == 200
        refused(client.get("/info", headers={"Authorization": "Bearer first-key second-key"}), 401, "unauthorized")
        doubled = [("Authorization", "Bearer first-key"), ("Authorization", "Bearer wrong")]
        refused(client.get("/info", headers=doubled), 401, "unauthorized")


def test_health_is_for_everybody(behind_a_proxy: Service) -> None:
    with behind_a_proxy.client() as client:
        for path in ("/health", "/health/live", "/health/ready"):
            answer = client.get(path)
            assert (answer.status_code, set(answer.json())) == (200, {"status"})
            answer = client.head(path)
            assert (answer.status_code, answer.content) == (200, b"")
            assert int(answer.headers["content-length"]) > 0
        for path in ("/health/live%0A", "/health/", "/health/live/x"):
            refused(client.get(path), 401, "unauthorized")


def test_head_is_get_without_a_body(client: httpx.Client) -> None:
    for path in _OWN_PATHS:
        head, whole = client.head(path), client.get(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == whole.headers["content-length"]
    assert client.head("/nowhere").status_code == 404


def test_metrics_have_a_port_of_their_own(behind_a_proxy: Service, proxied: httpx.Client) -> None:
    url = str(behind_a_proxy.event("listening for metrics")["url"])
    assert "fillmask_requests_total" in httpx.get(f"{url}/metrics").text
    assert httpx.get(f"{url}/health/ready").status_code == 200
    for path in ("/", "/info", "/docs"):
        refused(httpx.get(url + path), 404, "not_found")
    refused(httpx.post(f"{url}/v1/fill-mask", json={"inputs": PHRASE}), 404, "not_found")
    refused(httpx.get(f"{url}/metrics", headers={"Host": "evil.example"}), 421, "unknown_host")
    refused(proxied.get("/metrics"), 404, "not_found")


def test_keep_alive_is_a_setting(behind_a_proxy: Service, service: Service) -> None:
    """Of two idle connections, that of the service with half a second ends while that with thirty stays."""
    kept = [socket.create_connection(("127.0.0.1", each.port), timeout=60) for each in (behind_a_proxy, service)]
    for connection in kept:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while not connection.recv(65536).endswith(b"}"):
            pass
    assert kept[0].recv(1) == b""
    kept[1].setblocking(False)
    with pytest.raises(BlockingIOError):
        kept[1].recv(1)
    for connection in kept:
        connection.close()


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (["--api-key", ""], {}, "is empty"),
        (["--api-key", "two words"], {}, "white space"),
        ([], {"FILLMASK_API_KEY": ""}, "is empty"),
        ([], {"FILLMASK_API_KEY": "two words"}, "white space"),
        ([], {"FILLMASK_API_KEY_FILE": "nowhere"}, "cannot be read"),
        (["--allowed-host", "http://a"], {}, "--allowed-host"),
        (["--cors", "a"], {}, "--cors"),
        (["--root-path", "a b"], {}, "--root-path"),
    ],
)
def test_settings_that_cannot_be_used(
    serve: Callable[..., Service], arguments: list[str], environment: dict[str, str], message: str
) -> None:
    service = serve(*arguments, **environment)
    assert service.process.wait(60) in (1, 2)
    service.end()
    assert any(message in line for line in service.stderr), service.stderr
    assert not any("Traceback" in line or "two words" in line for line in service.stderr)
