"""A stand-in of the Hugging Face hub that takes uploads, on the loopback interface."""

import base64
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path


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


@contextmanager
def upload_hub() -> Iterator[Hub]:
    """A running stand-in."""
    served = Hub()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(served))
    served.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield served
    server.shutdown()
    server.server_close()
    thread.join()


def run_python(hub: Hub, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a process whose hub is the stand-in."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
    settings = {"HF_ENDPOINT": hub.url, "HF_HOME": str(home), "HF_TOKEN": "hf_secret", "HF_HUB_DISABLE_XET": "1"}
    return subprocess.run(
        [sys.executable, *arguments], env={**inherited, **settings}, capture_output=True, text=True, check=False
    )
