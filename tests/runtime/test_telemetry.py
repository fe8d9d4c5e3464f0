"""Nothing is sent out: no socket, no name looked up, no file under HOME, with every engine and with the command line."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

# Answers one phrase while it watches: names that Python looks up and connections that it makes by an audit hook, sockets of
# native code by the process's open files, again and again.
_WATCHED = """
import os, sys, threading, time
events = []
sys.addaudithook(lambda name, arguments: events.append((name, arguments)) if name.startswith("socket.") else None)
done = threading.Event()
def watch():
    while not done.wait(0.002):
        for number in os.listdir("/proc/self/fd"):
            try:
                target = os.readlink(f"/proc/self/fd/{number}")
            except OSError:
                continue
            if target.startswith("socket:") and int(number) > 2:
                events.append(("open socket", target))
if os.path.isdir("/proc/self/fd"):
    threading.Thread(target=watch, daemon=True).start()
BODY
time.sleep(0.3)
done.set()
print(events)
"""
_LIBRARY = (
    "import fillmask\nfillmask.pipeline('fill-mask', model=sys.argv[1], engine=sys.argv[2])('a <mask> of the town')"
)
_COMMAND = "from fillmask.cli import main\nsys.argv = ['fillmask', 'fill', '--model', sys.argv[1], '--engine', sys.argv[2], '--json', 'a <mask>']\ntry:\n    main()\nexcept SystemExit:\n    pass"


def _run(body: str, folder: Path, engine: str, home: Path | None) -> tuple[str, str]:
    kept = {
        name: os.environ[name]
        for name in ("PATH", "PYTHONPATH", "FILLMASK_CACHE", "OMP_NUM_THREADS")
        if name in os.environ
    }
    if home is not None:
        kept["HOME"] = str(home)
    command = [sys.executable, "-c", _WATCHED.replace("BODY", body), str(folder), engine]
    found = subprocess.run(command, env=kept, capture_output=True, text=True, check=True, timeout=120)
    return found.stdout.splitlines()[-1], found.stderr


@pytest.mark.parametrize("body", [_LIBRARY, _COMMAND], ids=["library", "command"])
@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_nothing_is_sent_and_nothing_is_written_at_home(
    body: str, engine: str, roberta_folder: Path, tmp_path: Path
) -> None:
    if find_spec(engine) is None:
        pytest.skip(f"{engine} is not installed")
    events, errors = _run(body, roberta_folder, engine, tmp_path)
    assert events == "[]"
    assert sorted(tmp_path.rglob("*")) == []
    assert errors == ""


@pytest.mark.parametrize("home", [None, Path("/nonexistent")])
@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_an_engine_without_a_home_is_silent(engine: str, home: Path | None, roberta_folder: Path) -> None:
    if find_spec(engine) is None:
        pytest.skip(f"{engine} is not installed")
    assert _run(_LIBRARY, roberta_folder, engine, home) == ("[]", "")


@pytest.mark.skipif(find_spec("fastapi") is None, reason="the service needs an extra")
@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_model_process_of_the_service_writes_nothing_at_home(
    engine: str, roberta_folder: Path, tmp_path: Path
) -> None:
    if find_spec(engine) is None:
        pytest.skip(f"{engine} is not installed")
    settings = {"model": str(roberta_folder), "engine": engine, "limits": {}}
    command = [sys.executable, "-m", "fillmask.server.worker.worker", json.dumps(settings)]
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    # It loads the model, says that it is ready, and ends as its input does.
    found = subprocess.run(
        command, env={**environment, "HOME": str(tmp_path)}, stdin=subprocess.DEVNULL, capture_output=True, check=True,
        timeout=120,
    )  # fmt: skip
    assert engine.encode() in found.stdout
    assert sorted(tmp_path.rglob("*")) == []


@pytest.mark.skipif(find_spec("onnxruntime") is None, reason="onnxruntime is not installed")
def test_processes_that_are_started_inherit_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    from fillmask.runtime.telemetry import silence_onnxruntime

    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    silence_onnxruntime()
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"


def test_a_program_that_reports_on_purpose_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    from fillmask.runtime.telemetry import silence_onnxruntime, silent_openvino

    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    silence_onnxruntime()
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "0"
    reports = object()
    monkeypatch.setitem(sys.modules, "openvino_telemetry", reports)
    with silent_openvino():
        assert sys.modules["openvino_telemetry"] is reports
    assert sys.modules["openvino_telemetry"] is reports


def test_the_package_is_only_hidden_during_the_import(monkeypatch: pytest.MonkeyPatch) -> None:
    from fillmask.runtime.telemetry import silent_openvino

    monkeypatch.delitem(sys.modules, "openvino_telemetry", raising=False)
    with silent_openvino(), pytest.raises(ImportError):
        import openvino_telemetry  # noqa: F401
    assert "openvino_telemetry" not in sys.modules
