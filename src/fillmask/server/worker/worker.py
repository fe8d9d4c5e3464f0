"""A model process: `python -m fillmask.server.worker.worker SETTINGS`, which the server starts.

It loads the model, reports that it is ready, and answers the messages on its
standard input until that closes. One thread runs batches of masks, another
writes their answers as JSON while the next batch runs, and a few run jobs. The
scheduler decides which thread runs the model.
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from fillmask.errors import FillMaskError, MissingExtraError
from fillmask.runtime.masked_lm import MaskedLM
from fillmask.runtime.options import RuntimeOptions
from fillmask.server.errors import type_of
from fillmask.server.limits import Limits
from fillmask.server.worker import job_tasks, wire
from fillmask.server.worker.lanes import LANES
from fillmask.server.worker.scheduler import ModelScheduler, ScheduledEngine
from fillmask.tasks.masked_texts import MaskedTexts
from fillmask.tasks.ranking import RankedMasks, rank

_PROGRESS_SECONDS = 0.1


class _StoppedError(Exception):
    """Nobody waits for the job any more."""


class _Worker:
    def __init__(self, channel: wire.Channel, model: MaskedLM | None, classifier: Any, limits: Limits) -> None:
        self._channel = channel
        self._limits = limits
        self._scheduler = ModelScheduler()
        self._model = model
        self._classifier = classifier
        self._cancelled: dict[int, threading.Event] = {}
        self._batches: queue.SimpleQueue[wire.FillBatch] = queue.SimpleQueue()
        self._found: queue.SimpleQueue[tuple[wire.FillBatch, list[RankedMasks | wire.RowError]]] = queue.SimpleQueue()
        self._jobs: dict[str, queue.SimpleQueue[wire.RunJob]] = {name: queue.SimpleQueue() for name in LANES}

    def run(self) -> None:
        """Answer until the server is gone."""
        self._start(self._run_batches)
        self._start(self._write_answers)
        for name, count in LANES.items():
            for _ in range(count):
                self._start(self._run_jobs, name)
        while (message := self._channel.receive()) is not None:
            match message:
                case wire.FillBatch():
                    self._batches.put(message)
                case wire.RunJob(number=number, task=task):
                    self._cancelled[number] = threading.Event()
                    self._jobs[task].put(message)
                case wire.CancelJob(number=number):
                    if number in self._cancelled:
                        self._cancelled[number].set()
                case wire.Ping(number=number):
                    self._channel.send(wire.Pong(number))

    def _start(self, target: Callable[..., None], *arguments: Any) -> None:
        threading.Thread(target=_or_exit, args=(target, *arguments), daemon=True).start()

    def _run_batches(self) -> None:
        assert self._model is not None or self._classifier is not None
        if self._model is None:
            return
        model = _with_engine(self._model, self._scheduler, has_priority=True)
        while True:
            batch = self._batches.get()
            start = time.perf_counter()
            results: list[RankedMasks | wire.RowError]
            try:
                results = [*_filled(model, batch.rows)]
            except BaseException:  # what Rust panics with is no Exception
                # The rows are of several requests: what is wrong with one is not the others' fault.
                results = [self._filled_alone(model, row) for row in batch.rows]
            self._channel.send(wire.BatchRan(batch.number, time.perf_counter() - start))
            self._found.put((batch, results))

    def _filled_alone(self, model: MaskedLM, row: wire.FillRow) -> RankedMasks | wire.RowError:
        try:
            return _filled(model, [row])[0]
        except BaseException as error:
            return self._refusal(error)

    def _write_answers(self) -> None:
        if self._model is None:
            return
        texts = MaskedTexts(self._model.tokenizer)
        while True:
            batch, results = self._found.get()
            rows = [self._answer(texts, row, of_row) for row, of_row in zip(batch.rows, results, strict=True)]
            self._channel.send(wire.BatchFilled(batch.number, rows))

    def _answer(
        self, texts: MaskedTexts, row: wire.FillRow, results: RankedMasks | wire.RowError
    ) -> list[bytes] | wire.RowError:
        """A row's JSON for each of its masks."""
        if isinstance(results, wire.RowError):
            return results
        try:
            return [
                json.dumps(texts.candidates(row.ids, place, best, single=row.single), ensure_ascii=False).encode()
                for place, best in zip(row.positions, results, strict=True)
            ]
        except BaseException as error:
            return self._refusal(error)

    def _run_jobs(self, name: str) -> None:
        while True:
            job = self._jobs[name].get()
            start = time.perf_counter()
            try:
                body = self._job(job, self._cancelled[job.number])
            except _StoppedError:
                self._channel.send(wire.JobCancelled(job.number))
            except BaseException as error:
                self._channel.send(wire.JobFailed(job.number, self._refusal(error)))
            else:
                self._channel.send(wire.JobDone(job.number, body, time.perf_counter() - start))
            finally:
                del self._cancelled[job.number]

    def _job(self, job: wire.RunJob, stop: threading.Event) -> bytes:
        def check() -> None:
            if stop.is_set():
                raise _StoppedError

        check()
        if job.task == "classify":
            assert self._classifier is not None
            classifier = copy.copy(self._classifier)
            classifier.engine = ScheduledEngine(classifier.engine, self._scheduler, has_priority=False, check=check)
            return job_tasks.classify_job(classifier, job.request)
        assert self._model is not None
        model = _with_engine(self._model, self._scheduler, has_priority=False, check=check)
        if job.task == "score":
            return job_tasks.score_job(model, job.request)
        last_report = 0.0

        def report(settled: int, holes: int, forward_passes: int) -> None:
            nonlocal last_report
            now = time.monotonic()
            if now - last_report >= _PROGRESS_SECONDS:
                last_report = now
                self._channel.send(wire.JobProgressed(job.number, settled, holes, forward_passes))

        body = job_tasks.restore_job(model, job.request, self._limits, report, stop.is_set)
        check()
        return body

    def _refusal(self, error: BaseException) -> wire.RowError:
        if isinstance(error, MissingExtraError):
            kind = "not_available"
        else:
            kind = type_of(error) if isinstance(error, FillMaskError) else "internal"
        if kind == "internal":
            # For the log of the server; the client is told no more than that it failed.
            traceback.print_exception(error)
        message = str(error) if kind != "internal" else "the model failed on this request; see the log of the server"
        return wire.RowError(kind, message)


def _with_engine(
    model: MaskedLM, scheduler: ModelScheduler, *, has_priority: bool, check: Callable[[], None] | None = None
) -> MaskedLM:
    own = copy.copy(model)
    own.engine = ScheduledEngine(model.engine, scheduler, has_priority=has_priority, check=check)
    return own


def _filled(model: MaskedLM, rows: Sequence[wire.FillRow]) -> list[RankedMasks]:
    results: list[RankedMasks] = [[] for _ in rows]
    for index, log_probabilities in model.log_probabilities([row.read for row in rows]):
        results[index] = rank(log_probabilities, rows[index].top_k, rows[index].targets)
    return results


def _or_exit(target: Callable[..., None], *arguments: Any) -> None:
    """Run the thread; where it fails, the process goes, and the server starts another."""
    try:
        target(*arguments)
    except BaseException:
        with contextlib.suppress(Exception):
            traceback.print_exc()
        os._exit(1)


def _load(settings: dict[str, Any]) -> tuple[MaskedLM | None, Any, wire.ModelDescription]:
    from fillmask.models.checkpoint import open_checkpoint

    architectures = open_checkpoint(settings["model"]).config.raw("architectures") or ()
    if any(str(name).endswith("ForSequenceClassification") for name in architectures):
        from fillmask.tasks.classify import Classifier

        classifier = Classifier(**settings)
        engine = classifier.engine
        return None, classifier, wire.ModelDescription(engine.name, engine.precision, ("classify",), engine.budget)
    model = MaskedLM(settings.pop("model"), RuntimeOptions(**settings))
    MaskedTexts(model.tokenizer)  # a model without a mask token cannot be served
    engine = model.engine
    return (
        model,
        None,
        wire.ModelDescription(engine.name, engine.precision, ("fill-mask", "score", "restore"), engine.budget),
    )


def main() -> None:
    """Serve until stdin closes."""
    # The server decides when to end: a Ctrl-C in the terminal reaches both, and work in hand is to be finished.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # What a library prints must not get between the frames.
    sink = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    channel = wire.Channel(sys.stdin.buffer, sink)
    settings = json.loads(sys.argv[1])
    limits = Limits(**settings.pop("limits"))
    try:
        model, classifier, description = _load(settings)
    except (FillMaskError, OSError) as error:
        channel.send(wire.ModelFailed(str(error)))
        return
    except Exception as error:
        traceback.print_exception(error)
        channel.send(
            wire.ModelFailed(f"the model {settings['model']} cannot be loaded ({type(error).__name__}); see the log")
        )
        return
    try:
        channel.send(wire.ModelReady(description))
    except BrokenPipeError:  # the server ended while the model was loaded
        return
    # A restoration's Python must not keep the thread that runs batches from its next one.
    sys.setswitchinterval(0.001)
    _Worker(channel, model, classifier, limits).run()
    os._exit(0)  # threads may be in the middle of a pass that nobody waits for


if __name__ == "__main__":
    main()
