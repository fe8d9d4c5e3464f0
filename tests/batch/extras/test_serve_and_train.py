"""The service on Ray Serve, and a command in the workers of Ray Train."""

import json
import socket
import urllib.error
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

from tiny import SENTENCES

from fillmask import FillMask
from fillmask.errors import InputError


def test_the_service_on_ray_serve_under_a_prefix(cluster: object, modernbert_folder: Path) -> None:
    """Tasks, pages and limits are there, and paths that look like a route's are not."""
    pytest.importorskip("fastapi")
    from ray import serve

    from fillmask.server.ray_serve import deployment

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def ask(path: str, body: object = None, host: str = "localhost") -> tuple[int, bytes]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Host": host}
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    phrase = "The <mask> went to the town."
    expected = FillMask(modernbert_folder, top_k=2)(phrase)
    settings = {"model": str(modernbert_folder), "cpus": "0.5", "limits": "max_holes=3", "allowed_hosts": "fill.test"}
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    try:
        serve.run(deployment(settings), name="fillmask", route_prefix="/fill")
        status, answer = ask("/fill/v1/fill-mask", {"inputs": phrase, "parameters": {"top_k": 2}})
        assert status == 200, answer
        assert [c["token"] for c in json.loads(answer)] == [c["token"] for c in expected]
        assert ask("/fill/v1/score", {"inputs": "The dog."})[0] == 200
        assert ask("/fill/v1/restore", {"inputs": "The d[.]g."})[0] == 200
        status, answer = ask("/fill/v1/restore", {"inputs": "The d[.]g. " * 4})
        assert (status, b"max_holes" in answer) == (422, True)
        assert ask("/fill/v1/restore", {"inputs": "a" * 2_000_000})[0] == 413
        for path in ("/fill/", "/fill/docs", "/fill/style.css", "/fill/info", "/fill/health"):
            assert ask(path)[0] == 200, path
        assert json.loads(ask("/fill/openapi.json")[1])["servers"] == [{"url": "/fill"}]
        assert ask("/fill/v1/fill-mask%0A", {"inputs": phrase})[0] == 404
        assert [ask("/fill/info", host=host)[0] for host in ("fill.test", "10.0.0.1", "evil.example")] == [
            200,
            200,
            421,
        ]
    finally:
        serve.shutdown()


def test_settings_of_the_service_are_checked() -> None:
    from fillmask.server.ray_serve import deployment

    with pytest.raises(InputError, match="no setting 'modle'"):
        deployment({"modle": "x"})
    with pytest.raises(InputError, match="threads is 'two'"):
        deployment({"threads": "two"})


def test_training_on_two_nodes(cluster: object, tmp_path: Path) -> None:
    """`train pretrain --ray`: one model, from gradients of both; and a command that fails in a worker is an error."""
    pytest.importorskip("torch")
    from fillmask.cli import run

    text = tmp_path / "text.txt"
    text.write_text("\n\n".join(SENTENCES), "utf-8")
    arguments = ["train", "pretrain", str(text), "-o", str(tmp_path / "model"), "--size", "tiny", "--vocab-size", "400", "--tokens", "2048",
                 "--batch-tokens", "512", "--length", "32", "--max-positions", "64", "--warmup-steps", "1", "--no-compile", "--threads", "1",
                 "--validate-every", "4", "--held-out", "0.1", "--device", "cpu"]  # fmt: skip
    node = cluster.add_node(num_cpus=1, object_store_memory=200 << 20)  # type: ignore[attr-defined]
    try:
        assert run([*arguments, "--ray", "auto", "--workers=2"]) == 0
        assert (
            run(["train", "pretrain", str(tmp_path / "nothing.txt"), "-o", str(tmp_path / "other"), "--ray", "auto"])
            == 1
        )
    finally:
        cluster.remove_node(node)  # type: ignore[attr-defined]
    assert len(FillMask(tmp_path / "model")("The <mask> dog.")) == 5


def test_the_options_for_ray_are_not_passed_on() -> None:
    from fillmask.cli.train.on_ray import without_ray

    assert without_ray(["train", "--ray", "auto", "a", "--workers=2", "--ray=local", "--workers", "3", "b"]) == ["train", "a", "b"]  # fmt: skip
