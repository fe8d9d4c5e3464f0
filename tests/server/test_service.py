"""What the service says of itself, who may ask, and how it starts."""

from __future__ import annotations

import base64
import json
import re
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
from served import FILLMASK, PHRASE, Service, refused

from fillmask import __version__
from fillmask.server.http.routes import HEALTH
from fillmask.server.limits import Limits


def test_info(client: httpx.Client, modernbert_folder: Path) -> None:
    info = client.get("/info").json()
    assert info["model"] == str(modernbert_folder)
    assert (info["engine"], info["precision"], info["revision"]) == ("onnxruntime", "float32", None)
    assert (info["version"], info["longest_text_tokens"]) == (__version__, 128)
    assert info["tasks"] == ["fill-mask", "score", "restore"]
    assert info["limits"] == vars(Limits())


def test_health(client: httpx.Client) -> None:
    assert client.get("/health/live").json() == {"status": "live"}
    assert client.get("/health/ready").json() == {"status": "ready"}


def test_errors_of_http(client: httpx.Client) -> None:
    refused(client.get("/nowhere"), 404, "not_found")
    answer = client.put("/v1/score")
    refused(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"


def test_request_ids(service: Service, client: httpx.Client) -> None:
    assert client.get("/info", headers={"X-Request-Id": "abc-123"}).headers["x-request-id"] == "abc-123"
    made = {client.get("/info").headers["x-request-id"] for _ in range(3)}
    assert len(made) == 3
    for wrong in ("", "a b", "ü".encode().decode("latin-1"), "x" * 129, '{"a": 1}'):
        given = client.get("/info", headers={"X-Request-Id": wrong.encode("latin-1")}).headers["x-request-id"]
        assert re.fullmatch("[0-9a-f]{32}", given)
    client.post("/v1/fill-mask", json={"inputs": "no gap"}, headers={"X-Request-Id": "find-me"})
    entry = service.event("request", where=("request_id", "find-me"))
    assert (
        entry.items() >= {"event": "request", "path": "/v1/fill-mask", "status": 422, "error_type": "no_mask"}.items()
    )
    assert "no gap" not in json.dumps(service.log), "texts do not go into the log"


def test_metrics(service: Service, client: httpx.Client) -> None:
    names = ["fillmask_queue_seconds_count", "fillmask_tokenise_seconds_count", "fillmask_inference_seconds_count",
             "fillmask_request_seconds_count", "fillmask_batch_tokens_count", "fillmask_batch_rows_sum"]  # fmt: skip
    before = {name: service.metric(name) for name in names}
    rejections = service.metric('fillmask_rejections_total{reason="no_mask"}')
    client.post("/v1/fill-mask", json={"inputs": [PHRASE] * 3})
    client.post("/v1/fill-mask", json={"inputs": "no gap"})
    assert all(service.metric(name) > value for name, value in before.items())
    assert service.metric("fillmask_batch_rows_sum") == before["fillmask_batch_rows_sum"] + 3
    assert service.metric('fillmask_rejections_total{reason="no_mask"}') == rejections + 1
    assert service.metric("fillmask_model_processes_ready") == 1
    assert client.get("/metrics").headers["content-type"].startswith("text/plain")


def test_every_answer_has_the_security_headers(client: httpx.Client) -> None:
    answers = [client.get(path) for path in ("/", "/docs", "/docs/docs.js", "/info", "/nowhere", "/openapi.json")]
    answers.append(client.post("/v1/fill-mask", content=b"x" * 2_000_000))
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "server" not in answer.headers


def test_pages(client: httpx.Client) -> None:
    page = client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert client.get("/", headers={"If-None-Match": page.headers["etag"]}).status_code == 304
    for path in ("/", "/docs"):
        text = client.get(path).text
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bon\w+=|style=", text), "inline code or style"
        links = re.findall(r"""(?:src|href)="([^"#]+)\"""", text)
        assert links
        for link in links:
            assert not link.startswith(("http:", "https:", "//"))
            if not link.startswith("data:"):
                found = client.get(httpx.URL(str(client.base_url) + path).join(link))
                assert found.status_code == 200, link
    assert client.get("/docs/docs.js").headers["content-type"] == "text/javascript; charset=utf-8"


def test_openapi_describes_every_route(client: httpx.Client) -> None:
    schema = client.get("/openapi.json").json()
    assert set(schema["paths"]) == {
        "/v1/fill-mask", "/v1/score", "/v1/classify", "/v1/restore",
        "/info", "/health", "/health/live", "/health/ready", "/metrics",
    }  # fmt: skip
    for path in ("/v1/fill-mask", "/v1/score"):
        content = schema["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        for example in content["examples"].values():
            assert client.post(path, json=example["value"]).status_code == 200, example
    references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(schema)))
    assert references <= set(schema["components"]["schemas"])


def test_the_key(serve: Callable[..., Service]) -> None:
    service = serve(FILLMASK_API_KEY="sesame🔑")
    key = "sesame🔑".encode()
    service.worker()
    basic = b"Basic " + base64.b64encode(b"anyone:" + key)
    with service.client() as client:
        schema = client.get("/openapi.json", headers={"Authorization": b"Bearer " + key}).json()
        for path in ["/", "/docs", "/openapi.json", "/nowhere", *schema["paths"]]:
            method = "POST" if "post" in schema["paths"].get(path, {}) else "GET"
            if path in HEALTH:
                assert client.get(path).status_code == 200
                continue
            for wrong in (
                None,
                b"",
                b"Bearer",
                b"Bearer sesame",
                key,
                b"Basic " + key,
                b"Basic " + base64.b64encode(key),
            ):
                answer = client.request(method, path, headers={} if wrong is None else {"Authorization": wrong})
                refused(answer, 401, "unauthorized")
                assert answer.headers["www-authenticate"].startswith("Bearer")
            for right in (b"Bearer " + key, b"bearer  " + key, basic):
                answer = client.request(method, path, headers={"Authorization": right})
                assert answer.status_code in ((404,) if path == "/nowhere" else (200, 415))
        assert schema["paths"]["/info"]["get"]["security"] == [{"key": []}]
        assert "security" not in schema["paths"]["/health/live"]["get"]
    assert "sesame" not in json.dumps(service.log)
    environment = Path(f"/proc/{service.worker()}/environ")
    if environment.exists():
        assert b"FILLMASK_API_KEY" not in environment.read_bytes()


def test_a_warning_where_others_can_ask(serve: Callable[..., Service]) -> None:
    service = serve("--host", "0.0.0.0")
    service.event("listening")
    assert any("can be reached from other machines" in line for line in service.stderr)
    with_key = serve("--host", "0.0.0.0", FILLMASK_API_KEY="k")
    with_key.event("listening")
    assert not with_key.stderr


def test_loopback_is_the_default(service: Service) -> None:
    assert service.url.startswith("http://127.0.0.1:")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([FILLMASK, "serve", *arguments], capture_output=True, text=True, timeout=30, check=False)


def test_a_port_in_use_and_a_model_that_is_not_there(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        found = run("--port", str(taken.getsockname()[1]))
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr.startswith("fillmask: cannot listen at 127.0.0.1 port")
    found = run("--port", "0", "--model", str(tmp_path / "nowhere"))
    assert found.returncode == 1
    assert "there is no model" in found.stderr
    for wrong in ("max_top_k=0", "max_top_k=-1", "max_top_k", "nothing=1", "max_top_k=x"):
        found = run("--port", "0", "--limit", wrong)
        assert found.returncode == 1
        assert found.stderr.startswith("fillmask: --limit")
        assert found.stderr.count("\n") == 1


def test_a_model_that_cannot_be_loaded(modernbert_folder: Path, tmp_path: Path) -> None:
    """The config and tokenizer are well; the weights are not."""
    for file in modernbert_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes() if file.suffix == ".json" else file.read_bytes()[:1000])
    found = run("--port", "0", "--model", str(tmp_path), "--log-format", "json")
    assert found.returncode == 1
    assert [line for line in found.stderr.splitlines() if line.startswith("fillmask: ")]
    assert "Traceback" not in found.stderr
