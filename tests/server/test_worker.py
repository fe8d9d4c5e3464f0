"""The model process without the process: what one row's failure does to those that share its batch."""

from __future__ import annotations

import json
import queue
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fillmask import FillMask
from fillmask.runtime.masked_lm import MaskedLM
from fillmask.server.limits import Limits
from fillmask.server.worker import wire
from fillmask.server.worker.worker import _Worker
from fillmask.tasks.masked_texts import MaskedTexts


class Pipe:
    """Both ends of a channel."""

    def __init__(self) -> None:
        self.sent: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.asked: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.send = self.sent.put

    def receive(self) -> Any:
        return self.asked.get()


@pytest.mark.parametrize("failing", ["target", "token"])
def test_a_bad_row_fails_alone(modernbert_folder: Path, failing: str, capfd: pytest.CaptureFixture[str]) -> None:
    model = MaskedLM(modernbert_folder)
    texts = MaskedTexts(model.tokenizer)
    rows = []
    for text in ("The <mask> dog", "A <mask> cat", "<mask> bread"):
        read = texts.read(text)
        rows.append(wire.FillRow(read.inputs[0], read.ids, read.positions, True, 2, None))
    bad = rows[1]
    if failing == "target":
        rows[1] = wire.FillRow(bad.read, bad.ids, bad.positions, True, 2, np.array([3, model.vocab_size]))
    else:
        ids = [*bad.ids[:-2], model.vocab_size, bad.ids[-1]]
        rows[1] = wire.FillRow(
            type(bad.read)(ids, bad.read.type_ids, bad.read.positions), ids, bad.positions, True, 2, None
        )
    pipe = Pipe()
    worker = _Worker(pipe, model, None, Limits())  # type: ignore[arg-type]
    thread = threading.Thread(target=worker.run)
    thread.start()
    pipe.asked.put(wire.FillBatch(1, rows))
    ran, filled = pipe.sent.get(timeout=30), pipe.sent.get(timeout=30)
    pipe.asked.put(None)
    thread.join()
    assert isinstance(ran, wire.BatchRan)
    assert isinstance(filled, wire.BatchFilled)
    first, refused, last = filled.rows
    assert isinstance(refused, wire.RowError)
    assert refused.error_type == ("internal" if failing == "target" else "invalid_input")
    unmask = FillMask(modernbert_folder, top_k=2)
    for found, text in ((first, "The <mask> dog"), (last, "<mask> bread")):
        assert isinstance(found, list)
        assert [c["token"] for c in json.loads(found[0])] == [c["token"] for c in unmask(text)]
    assert ("Traceback" in capfd.readouterr().err) == (failing == "target")


class _PanicError(BaseException):
    """What the libraries in Rust raise when they panic: no Exception."""


@pytest.mark.parametrize("kind", [ValueError, MemoryError, RecursionError, _PanicError])
def test_whatever_a_job_raises_is_an_error_of_that_job_alone(
    modernbert_folder: Path,
    kind: type[BaseException],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = MaskedLM(modernbert_folder)
    calls = 0

    def fail_once(*_: object) -> bytes:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise kind("a secret of the server")
        return b"[]"

    monkeypatch.setattr("fillmask.server.worker.job_tasks.score_job", fail_once)
    pipe = Pipe()
    worker = _Worker(pipe, model, None, Limits())  # type: ignore[arg-type]
    thread = threading.Thread(target=worker.run)
    thread.start()
    pipe.asked.put(wire.RunJob(1, "score", {}))
    failed = pipe.sent.get(timeout=60)
    pipe.asked.put(wire.RunJob(2, "score", {}))
    answered = pipe.sent.get(timeout=60)
    pipe.asked.put(None)
    thread.join()
    assert isinstance(failed, wire.JobFailed)
    assert failed.refusal.error_type == "internal"
    assert "secret" not in failed.refusal.message
    assert isinstance(answered, wire.JobDone)
    assert "a secret of the server" in capfd.readouterr().err
