"""Uploads to a stand-in of the hub on the loopback interface: which files arrive, and what a refusal says."""

import base64
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fillmask import InputError
from fillmask.models.publishing import check_repository, push


@dataclass
class Hub:
    """Accepts one upload, and keeps its files."""

    url: str = ""
    status: int = 200
    private: bool = False
    files: dict[str, bytes] = field(default_factory=dict)
    summary: str = ""
    tokens: set[str] = field(default_factory=set)


def _handler(hub: Hub) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def _reply(self, body: object, status: int = 200) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            self._reply({"id": "someone/new", "sha": "0" * 40, "siblings": [], "private": False})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hub.tokens.add(self.headers.get("Authorization", ""))
            if hub.status != 200:
                self._reply({"error": "no"}, hub.status)
            elif self.path == "/api/repos/create":
                request = json.loads(body)
                hub.private = bool(request.get("private")) or request.get("visibility") == "private"
                self._reply({"url": f"{hub.url}/someone/new"})
            elif self.path.endswith("/preupload/main"):
                names = [entry["path"] for entry in json.loads(body)["files"]]
                self._reply(
                    {"files": [{"path": n, "uploadMode": "regular", "shouldIgnore": False, "oid": None} for n in names]}
                )
            elif self.path.endswith("/commit/main"):
                for line in body.splitlines():
                    entry = json.loads(line)
                    if entry["key"] == "header":
                        hub.summary = entry["value"]["summary"]
                    elif entry["key"] == "file":
                        hub.files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
                self._reply(
                    {"commitUrl": f"{hub.url}/someone/new/commit/{'1' * 40}", "commitOid": "1" * 40, "success": True}
                )
            else:  # the check of the model card's metadata
                self._reply({"warnings": [], "errors": []})

    return Handler


@pytest.fixture
def hub() -> Iterator[Hub]:
    served = Hub()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(served))
    served.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield served
    server.shutdown()
    server.server_close()
    thread.join()


def upload(hub: Hub, home: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script that uploads, in a process whose hub is the stand-in."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
    settings = {"HF_ENDPOINT": hub.url, "HF_HOME": str(home), "HF_TOKEN": "hf_secret", "HF_HUB_DISABLE_XET": "1"}
    return subprocess.run(
        [sys.executable, "-c", script], env={**inherited, **settings}, capture_output=True, text=True, check=False
    )


def test_the_files_of_the_checkpoint_go_up_and_nothing_else(hub: Hub, modernbert_folder: Path, tmp_path: Path) -> None:
    import shutil

    folder = Path(shutil.copytree(modernbert_folder, tmp_path / "mine"))
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Mine\n")
    (folder / "training").mkdir()
    (folder / "training" / "state.pt").write_bytes(b"of the training")
    (folder / "notes.txt").write_text("mine alone")
    script = (
        f"from fillmask import FillMask; print(FillMask({str(folder)!r}).push_to_hub('someone/new', private=True,"
        " commit_message='First'))"
    )
    result = upload(hub, tmp_path / "home", script)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == f"{hub.url}/someone/new/commit/{'1' * 40}"
    expected = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "README.md"}
    assert set(hub.files) == expected
    assert all(hub.files[name] == (folder / name).read_bytes() for name in expected)
    assert hub.private
    assert hub.summary == "First"
    assert hub.tokens == {"Bearer hf_secret"}


@pytest.mark.parametrize(("status", "remedy"), [(401, "HF_TOKEN"), (403, "HF_TOKEN"), (400, "hub's answer")])
def test_a_refusal_names_the_status_and_the_remedy(
    hub: Hub, modernbert_folder: Path, tmp_path: Path, status: int, remedy: str
) -> None:
    hub.status = status
    script = f"from pathlib import Path; from fillmask.models.publishing import push; push(Path({str(modernbert_folder)!r}), 'a/b')"
    result = upload(hub, tmp_path / "home", script)
    last = result.stderr.strip().splitlines()[-1]
    assert "CheckpointError" in last
    assert str(status) in last
    assert remedy in last


def test_a_hub_that_does_not_answer_is_said_so(hub: Hub, modernbert_folder: Path, tmp_path: Path) -> None:
    hub.url = "http://127.0.0.1:9"
    script = f"from pathlib import Path; from fillmask.models.publishing import push; push(Path({str(modernbert_folder)!r}), 'a/b')"
    last = upload(hub, tmp_path / "home", script).stderr.strip().splitlines()[-1]
    assert "CheckpointError: the hub can't be reached" in last
    assert "check the network" in last


@pytest.mark.parametrize("name", ["", "a/b/c", "a b", "someone/model@main", "../x"])
def test_a_name_that_is_no_repository_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="expected a name such as"):
        check_repository(name)


def test_a_folder_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no checkpoint"):
        push(tmp_path, "someone/new")
