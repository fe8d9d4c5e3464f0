"""The service on Ray Serve, and a command in the workers of Ray Train."""

import json
import os
import socket
import urllib.request
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="needs fillmask[ray]")
pytestmark = [
    # Ray leaves sockets and files of its processes to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:ray"),
]

from fillmask import FillMask
from fillmask.errors import FillMaskError, InputError


def test_the_service_on_ray_serve(cluster: object, modernbert_folder: Path) -> None:
    pytest.importorskip("fastapi")
    from ray import serve

    from fillmask.scale.serve_app import deployment

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    try:
        serve.run(deployment({"model": str(modernbert_folder), "cpus": "0.5"}), name="fillmask", route_prefix="/")
        body = json.dumps({"inputs": "The <mask> went to the town.", "parameters": {"top_k": 2}}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/fill-mask", body, {"Content-Type": "application/json"})  # fmt: skip
        with urllib.request.urlopen(request, timeout=30) as answer:
            found = json.load(answer)
    finally:
        serve.shutdown()
    expected = FillMask(modernbert_folder, top_k=2)("The <mask> went to the town.")
    assert [c["token"] for c in found] == [c["token"] for c in expected]


def test_settings_of_the_service_are_checked() -> None:
    from fillmask.scale.serve_app import deployment

    with pytest.raises(InputError, match="no setting 'modle'"):
        deployment({"modle": "x"})
    with pytest.raises(InputError, match="threads is 'two'"):
        deployment({"threads": "two"})


def test_a_command_in_two_workers(cluster: object, modernbert_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    """Each worker runs the command and knows who it is; a command that fails is an error."""
    from fillmask.scale.train import Workers, run

    monkeypatch.setenv("RAY_TRAIN_ENABLE_CONTROLLER_STRUCTURED_LOGGING", "0")
    workers = Workers(count=2, cpus=0.4, retries=0)
    (tmp_path / "in.txt").write_text("The <mask> went.\n", "utf-8")
    assert run(["models", "info", str(modernbert_folder)], "auto", workers, tmp_path / "notes") == 0
    with pytest.raises(FillMaskError, match="training on Ray failed"):
        run(["models", "info", str(tmp_path / "nothing")], "auto", workers, tmp_path / "notes2")
    assert os.environ.get("RANK") is None
