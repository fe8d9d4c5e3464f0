"""Models of the hub, from a stand-in of it on the loopback interface."""

import hashlib
import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

FILLMASK = Path(sys.executable).parent / "fillmask"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
EXTRA = ("pytorch_model.bin", "modeling_evil.py", "onnx/model.onnx", "tf_model.h5")


@dataclass
class Hub:
    """Serves one repository, `someone/tiny`, and remembers what was asked for."""

    folder: Path
    requests: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    url: str = ""
    status: int | None = None  # of every answer, where it is no success


def _handler(hub: Hub) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def _reply(self, status: int, body: bytes = b"", **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            hub.requests.append(f"{self.command} {self.path}")
            hub.tokens.add(self.headers.get("Authorization", ""))
            if hub.status is not None:
                self._reply(hub.status)
                return
            path = self.path.partition("?")[0]
            names = sorted(p.name for p in hub.folder.iterdir())
            if path in ("/api/models/someone/tiny/revision/main", f"/api/models/someone/tiny/revision/{COMMIT}"):
                body = {"id": "someone/tiny", "sha": COMMIT, "siblings": [{"rfilename": n} for n in [*names, *EXTRA]]}
                self._reply(200, json.dumps(body).encode(), Content_Type="application/json")
            elif path.startswith(f"/api/models/someone/tiny/tree/{COMMIT}"):
                sizes = {n: (hub.folder / n).stat().st_size for n in names} | dict.fromkeys(EXTRA, 1)
                body = [{"type": "file", "path": n, "size": size, "oid": "0" * 40} for n, size in sizes.items()]
                self._reply(200, json.dumps(body).encode(), Content_Type="application/json")
            elif path.startswith("/api/models/someone/tiny/"):
                self._reply(404, X_Error_Code="RevisionNotFound", X_Error_Message="Invalid rev id")
            elif path.startswith("/api/models/someone/gated/"):
                self._reply(403, X_Error_Code="GatedRepo")
            elif path.startswith(f"/someone/tiny/resolve/{COMMIT}/") and path.rpartition("/")[2] in names:
                body = (hub.folder / path.rpartition("/")[2]).read_bytes()
                self._reply(
                    200, body, ETag=f'"{hashlib.sha1(body).hexdigest()}"', X_Repo_Commit=COMMIT, Accept_Ranges="bytes"
                )
            elif path.startswith("/someone/tiny/"):
                self._reply(404, X_Error_Code="EntryNotFound")
            else:
                self._reply(401, X_Error_Code="RepoNotFound")

    return Handler


@pytest.fixture
def hub(modernbert_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    served = Hub(Path(shutil.copytree(modernbert_folder, tmp_path_factory.mktemp("hub") / "tiny")))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(served))
    served.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield served
    server.shutdown()
    server.server_close()
    thread.join()


def run(home: Path, hub_url: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    settings = {
        "HF_HOME": str(home),
        "HF_ENDPOINT": hub_url,
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_XET": "1",
    }
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
    return subprocess.run(
        [FILLMASK, *arguments],
        capture_output=True,
        text=True,
        env={**inherited, **settings, **environment},
        timeout=60,
        check=False,
    )


def test_pull_then_fill_offline(hub: Hub, tmp_path: Path) -> None:
    pulled = run(tmp_path, hub.url, "models", "pull", "someone/tiny", HF_TOKEN="hf_secret")
    assert pulled.returncode == 0, pulled.stderr
    name, folder = pulled.stdout.splitlines()
    assert name == f"someone/tiny@{COMMIT}"
    fetched = {Path(r.split()[1]).name for r in hub.requests if "/resolve/" in r}
    assert fetched == {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert sorted(p.name for p in Path(folder).iterdir()) == sorted(fetched)
    assert "Bearer hf_secret" in hub.tokens

    asked = len(hub.requests)
    offline = run(tmp_path, hub.url, "fill", "--json", "-m", "someone/tiny", "a <mask> b", HF_HUB_OFFLINE="1")
    assert offline.returncode == 0, offline.stderr
    assert len(hub.requests) == asked
    local = run(tmp_path, hub.url, "fill", "--json", "-m", str(hub.folder), "a <mask> b")
    assert offline.stdout == local.stdout
    pinned = run(tmp_path, hub.url, "fill", "--json", "-m", f"someone/tiny@{COMMIT}", "a <mask> b")
    assert pinned.stdout == local.stdout

    listed = [json.loads(line) for line in run(tmp_path, hub.url, "models", "list", "--json").stdout.splitlines()]
    assert [(row["name"], row["revision"]) for row in listed] == [("bundled", None), ("someone/tiny", COMMIT)]
    info = json.loads(run(tmp_path, hub.url, "models", "info", "someone/tiny", "--json").stdout)
    assert info["revision"] == COMMIT


def test_a_call_passes_its_token_and_keeps_it_nowhere(hub: Hub, tmp_path: Path) -> None:
    code = """if True:
        import pickle
        from fillmask import pipeline
        mlm = pipeline("fill-mask", model="someone/tiny", token="hf_of_the_call")
        assert b"hf_of_the_call" not in pickle.dumps(mlm)
        print(len(mlm("a <mask> b")))
    """
    settings = {"HF_HOME": str(tmp_path), "HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1"}
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**inherited, **settings}, check=False
    )
    assert finished.stdout == "5\n", finished.stderr
    assert "Bearer hf_of_the_call" in hub.tokens


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("someone/nothing", "the hub has no model 'someone/nothing'"),
        ("someone/tiny@nowhere", "someone/tiny has no revision 'nowhere'"),
        ("someone/gated", "is gated: ask for access"),
        ("./someone/tiny", "there is no model './someone/tiny'; expected a folder"),
        ("a/b/c", "there is no model 'a/b/c'; expected a folder"),
    ],
)
def test_what_cannot_be_had_is_one_clear_line(hub: Hub, tmp_path: Path, model: str, message: str) -> None:
    found = run(tmp_path, hub.url, "fill", "-m", model, "a <mask> b")
    assert found.returncode == 1
    (line,) = found.stderr.splitlines()
    assert message in line


def test_offline_with_an_empty_cache_is_one_clear_line(tmp_path: Path) -> None:
    found = run(tmp_path, "http://127.0.0.1:9", "fill", "-m", "someone/tiny", "a <mask> b", HF_HUB_OFFLINE="1")
    assert found.returncode == 1
    (line,) = found.stderr.splitlines()
    assert "is not in the hub's cache" in line
    assert "fillmask models pull someone/tiny" in line


def test_a_hub_that_does_not_answer_is_one_clear_line(tmp_path: Path) -> None:
    found = run(tmp_path, "http://127.0.0.1:9", "fill", "-m", "someone/tiny", "a <mask> b")
    assert found.returncode == 1
    (line,) = [text for text in found.stderr.splitlines() if text.startswith("fillmask: ")]
    assert "someone/tiny" in line


def fill(home: Path, hub: Hub, **environment: str) -> subprocess.CompletedProcess[str]:
    return run(home, hub.url, "fill", "--json", "-m", "someone/tiny", "a <mask> b", **environment)


def the_line(finished: subprocess.CompletedProcess[str]) -> str:
    assert finished.returncode == 1, finished.stderr
    (line,) = [text for text in finished.stderr.splitlines() if text.startswith("fillmask: ")]
    assert "Traceback" not in finished.stderr
    return line


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (503, "the hub answers 503 (Service Unavailable): the fault is the hub's; try again later"),
        (500, "the hub answers 500 (Internal Server Error)"),
        (429, "the hub answers 429 (Too Many Requests): it limits requests"),
        (403, "the hub answers 403 (Forbidden): set HF_TOKEN"),
        (401, "HF_TOKEN"),
        (404, "someone/tiny"),
        (418, "the hub answers 418"),
    ],
)
def test_a_status_is_said(hub: Hub, tmp_path: Path, status: int, message: str) -> None:
    hub.status = status
    line = the_line(fill(tmp_path, hub))
    assert message in line
    assert "offline" not in line


@pytest.mark.parametrize("trouble", ["offline", "503", "no connection"])
def test_a_snapshot_that_holds_what_is_needed_is_enough(hub: Hub, tmp_path: Path, trouble: str) -> None:
    for name in (
        "vocab.json",
        "merges.txt",
        "model-00001-of-00002.safetensors",
    ):  # beside tokenizer.json and the weights
        (hub.folder / name).write_text("{}")
    (hub.folder / "special_tokens_map.json").write_text("{}")
    online = fill(tmp_path, hub)
    assert online.returncode == 0, online.stderr
    (snapshot,) = tmp_path.glob("hub/models--someone--tiny/snapshots/*")
    for name in ("vocab.json", "model-00001-of-00002.safetensors"):
        (snapshot / name).unlink()
    hub.status = 503 if trouble == "503" else None
    url = "http://127.0.0.1:9" if trouble == "no connection" else hub.url
    settings = {"HF_HUB_OFFLINE": "1"} if trouble == "offline" else {}
    again = run(tmp_path, url, "fill", "--json", "-m", "someone/tiny", "a <mask> b", **settings)
    assert again.stdout == online.stdout, again.stderr
    (snapshot / "special_tokens_map.json").unlink()
    line = the_line(run(tmp_path, url, "fill", "--json", "-m", "someone/tiny", "a <mask> b", **settings))
    assert "the cached snapshot of someone/tiny lacks special_tokens_map.json" in line
    assert {"offline": "HF_HUB_OFFLINE is set", "503": "the hub answers 503"}.get(trouble, "cannot be reached") in line


def test_only_a_pickle_or_a_sentencepiece_model(hub: Hub, tmp_path: Path) -> None:
    """What the repository has is known from its list; neither is downloaded."""
    (hub.folder / "tokenizer.json").rename(hub.folder / "spiece.model")
    line = the_line(fill(tmp_path / "a", hub))
    assert "someone/tiny has its tokenizer only as spiece.model, a SentencePiece model" in line
    assert "C.from_pretrained('someone/tiny').save_pretrained('FOLDER')" in line
    (hub.folder / "model.safetensors").unlink()
    line = the_line(fill(tmp_path / "b", hub))
    assert "someone/tiny has its weights only as pytorch_model.bin, a pickle" in line
    assert "AutoModelForMaskedLM" in line
    assert not any("/resolve/" in r and (".bin" in r or ".model" in r) for r in hub.requests)


def test_a_hub_that_accepts_and_never_answers(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        line = the_line(run(tmp_path, url, "fill", "-m", "someone/tiny", "a <mask> b", HF_HUB_DOWNLOAD_TIMEOUT="1"))
    assert "the hub does not answer in time" in line
