"""The service on Ray Serve, and a command in the workers of Ray Train."""

import json
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

from tiny import SENTENCES

from fillmask import FillMask
from fillmask.errors import InputError


def test_the_service_on_ray_serve(cluster: object, modernbert_folder: Path) -> None:
    pytest.importorskip("fastapi")
    from ray import serve

    from fillmask.server.ray_serve import deployment

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
