"""The service without HTTP: checked requests in, JSON answers out."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from fillmask import __version__
from fillmask.models.checkpoint import open_checkpoint
from fillmask.server import logs
from fillmask.server.errors import ApiError, LimitError
from fillmask.server.http import schemas
from fillmask.server.http.call import Call
from fillmask.server.metrics import Metrics
from fillmask.server.scheduling.admission import BodyCapacity, Capacity
from fillmask.server.scheduling.batcher import Answer, Batcher
from fillmask.server.scheduling.jobs import JobQueue, QueuedJob
from fillmask.server.settings import ServerSettings
from fillmask.server.worker.engine_tuning import EngineTuning
from fillmask.server.worker.replicas import Replicas
from fillmask.server.worker.wire import FillRow
from fillmask.tasks.masked_texts import MaskedText, MaskedTexts
from fillmask.tasks.targets import Targets

_Result = TypeVar("_Result")
_TOP_K = 5
_READINGS = 10
_SWITCH_SECONDS = 0.001


class Service:
    """One model and all that waits for it.

    Its model processes start with the object; `start` is called in the event loop.

    Raises:
        CheckpointError: there is no such model.
        InputError: a setting cannot be used.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        self.limits = settings.limits
        self.metrics = Metrics()
        self.draining = False
        self.calls: set[Call] = set()  # those that have a place
        self.give_up: Callable[[str], None] = lambda message: None
        checkpoint = open_checkpoint(settings.model)
        self._checkpoint = checkpoint
        # The folder, so that a model of the hub is looked up once and all processes have the same revision.
        model: dict[str, Any] = {
            "model": str(checkpoint.folder),
            "engine": settings.engine,
            "precision": settings.precision,
        }
        model |= {"device": settings.device, "threads": settings.threads}
        self.replicas = Replicas(settings.replicas, model, settings.limits, self.metrics, self._give_up)
        self.batcher = Batcher(self.metrics, wait=settings.batch_wait, wake=self.replicas.dispatch)
        self.jobs = JobQueue(self.metrics, wake=self.replicas.dispatch, stop=self.replicas.stop)
        self.replicas.batcher, self.replicas.jobs = self.batcher, self.jobs
        self._tuning = EngineTuning(model, self.replicas.switch) if settings.measure else None
        limits = settings.limits
        fill = Capacity(limits.queue_items, "queue_items", limits.queue_tokens, "queue_tokens")
        jobs = Capacity(limits.queue_jobs, "queue_jobs", limits.queue_job_tokens, "queue_job_tokens")
        self.capacities = {  # by task
            "fill-mask": fill,
            "score": jobs,
            "classify": jobs,
            "restore": Capacity(limits.queue_documents, "queue_documents", retry_after=5),
        }
        self.bodies = BodyCapacity(limits.queue_body_bytes)
        self.tokenizer = checkpoint.tokenizer
        self._vocab_size = checkpoint.config.integer("vocab_size")
        self._texts = MaskedTexts(self.tokenizer) if self.tokenizer.mask_token_id is not None else None
        _ = self.tokenizer.vocab  # read now, and not with the first targets
        # The event loop gets the interpreter back from other threads within a millisecond each.
        sys.setswitchinterval(_SWITCH_SECONDS)
        self._threads = ThreadPoolExecutor(2, "reader")

    def _give_up(self, message: str) -> None:
        self.give_up(message)

    async def start(self) -> None:
        """Listen to the model processes."""
        await self.replicas.start()

    async def close(self) -> None:
        """End them."""
        if self._tuning is not None:
            await self._tuning.close()
        await self.replicas.close()
        self._threads.shutdown(wait=False)

    def abandon(self) -> None:
        """End all calls: there is no more time for them."""
        for call in list(self.calls):
            call.stop(
                ApiError("shutting_down", "the service is shutting down, and this request was not finished in time")
            )

    @property
    def ready(self) -> bool:
        """Whether requests are answered now."""
        return not self.draining and bool(self.replicas.ready)

    def info(self) -> dict[str, Any]:
        """What is served, by what, and the limits."""
        described = self.replicas.description
        return {
            "model": self._checkpoint.name,
            "revision": self._checkpoint.revision,
            "engine": described.engine if described else None,
            "precision": described.precision if described else None,
            "version": __version__,
            "tasks": list(described.tasks) if described else [],
            "longest_text_tokens": self.tokenizer.model_max_length,
            "vocabulary": len(self.tokenizer),
            "limits": vars(self.limits),
        }

    async def fill(self, call: Call, request: schemas.FillMaskRequest) -> bytes:
        """Candidates for the masks of texts, in the shape of transformers' pipeline."""
        self._check_serves("fill-mask")
        parameters = request.parameters or schemas.FillMaskParameters()
        texts = self._texts_of(call, request.inputs)
        top_k = _TOP_K if parameters.top_k is None else parameters.top_k
        self._check("max_top_k", top_k, f"top_k is {top_k:,}")
        targets = [parameters.targets] if isinstance(parameters.targets, str) else parameters.targets
        if targets is not None:
            self._check_words(targets)
        windows = parameters.long_text == "window"
        rows, shapes, warning_messages = await self._tokenize(lambda: self._rows(texts, top_k, targets, windows))
        if warning_messages:
            call.warnings = warning_messages
            # How many, and not which: texts of requests do not go into the log.
            logs.event("targets outside the vocabulary", level=logging.WARNING, request_id=call.request_id, targets=len(warning_messages))  # fmt: skip
        if not rows:
            return b"[]"
        call.reservation.grow(tokens=self._check_model_tokens(sum(len(row.read.ids) for row in rows)))
        answers = await call.wait(self.batcher.submit(rows))
        if self._tuning is not None:
            self._tuning.observe([row.read for row in rows])
        bodies = _by_text(answers, shapes)
        return bodies[0] if len(bodies) == 1 else b"[" + b",".join(bodies) + b"]"

    def _rows(self, texts: Sequence[str], top_k: int, targets: Sequence[str] | None, windows: bool) -> tuple[list[FillRow], list[MaskedText], list[str]]:  # fmt: skip
        """What the model is to read, the texts, and what is to be said of the targets; in a thread of its own."""
        assert self._texts is not None
        ids = None
        warning_messages: list[str] = []
        if targets is not None:
            requested = Targets.from_tokens(self.tokenizer, targets, self._vocab_size)
            ids, warning_messages = requested.inside, list(requested.warning_messages)
        shapes = self._texts.read_all(texts, windows=windows)
        self._check(
            "max_masks", masks := sum(len(text.positions) for text in shapes), f"the request has {masks:,} masks"
        )
        size = sum(len(shape.positions) * min(top_k, len(self.tokenizer)) * len(text) for shape, text in zip(shapes, texts, strict=True))  # fmt: skip
        self._check("max_answer_characters", size, f"the answer would have about {size:,} characters")
        rows = []
        for text in shapes:
            single = len(text.positions) == 1
            places = iter(text.positions)
            for read in text.inputs:
                rows.append(FillRow(read, text.ids, [next(places) for _ in read.positions], single, top_k, ids))
        return rows, shapes, warning_messages

    async def score(self, call: Call, request: schemas.ScoreRequest) -> bytes:
        """Pseudo-log-likelihoods."""
        self._check_serves("score")
        texts = self._texts_of(call, request.inputs)
        if not texts:
            return b"[]"
        # A text of n tokens is read n times.
        lengths = await self._tokenize(lambda: [len(self.tokenizer.encode(text)) for text in texts])
        call.reservation.grow(tokens=self._check_model_tokens(sum(n * n for n in lengths)))
        method = (request.parameters or schemas.ScoreParameters()).method or "word-l2r"
        wanted = {"inputs": texts, "many": not isinstance(request.inputs, str), "method": method}
        return await call.wait(self.jobs.submit("score", wanted).future)

    async def classify(self, call: Call, request: schemas.ClassifyRequest) -> bytes:
        """Labels."""
        self._check_serves("classify")
        texts = self._texts_of(call, request.inputs)
        if not texts:
            return b"[]"
        lengths = await self._tokenize(lambda: [len(self.tokenizer.encode(text)) for text in texts])
        call.reservation.grow(tokens=self._check_model_tokens(sum(lengths)))
        parameters = request.parameters or schemas.ClassifyParameters()
        wanted = {"inputs": texts, "top_k": parameters.top_k, "function_to_apply": parameters.function_to_apply}
        return await call.wait(self.jobs.submit("classify", wanted).future)

    def restore(self, call: Call, request: schemas.RestoreRequest) -> QueuedJob:
        """A restoration, as a job whose progress can be followed."""
        self._check_serves("restore")
        source = request.inputs
        self._check("max_document_characters", len(source), f"the document has {len(source):,} characters")
        parameters = request.parameters or schemas.RestoreParameters()
        readings = _READINGS if parameters.readings is None else parameters.readings
        self._check("max_readings", readings, f"readings is {readings:,}")
        self._check_words([word for words in (parameters.targets or {}).values() for word in words])
        self._check_words(list((parameters.locked or {}).values()))
        wanted = {
            "inputs": source,
            "notation": parameters.notation or "auto",
            "keep_ellipses": bool(parameters.keep_ellipses),
            "strategy": parameters.strategy or "joint",
            "readings": readings,
            "locked": {int(number): word for number, word in (parameters.locked or {}).items()} or None,
            "targets": {int(number): tuple(words) for number, words in (parameters.targets or {}).items()} or None,
            "evidence": bool(parameters.evidence),
            "formats": list(dict.fromkeys(parameters.formats or ())),
        }
        return self.jobs.submit("restore", wanted)

    def _texts_of(self, call: Call, inputs: str | list[str]) -> list[str]:
        """The texts of a request, counted and measured."""
        texts = [inputs] if isinstance(inputs, str) else inputs
        self._check("max_texts", len(texts), f"the request has {len(texts):,} texts")
        longest = max(map(len, texts), default=0)
        self._check("max_text_characters", longest, f"a text has {longest:,} characters")
        call.reservation.grow(items=max(len(texts) - 1, 0))
        return texts

    def _check_words(self, words: Sequence[str]) -> None:
        self._check("max_targets", len(words), f"the request has {len(words):,} targets")
        longest = max(map(len, words), default=0)
        self._check("max_target_characters", longest, f"a target or reading has {longest:,} characters")

    def _check_model_tokens(self, tokens: int) -> int:
        self._check("max_model_tokens", tokens, f"the model would read {tokens:,} tokens")
        return tokens

    def _check(self, limit: str, number: int, what: str) -> None:
        maximum = getattr(self.limits, limit)
        if number > maximum:
            raise LimitError(limit, maximum, what)

    def _check_serves(self, task: str) -> None:
        described = self.replicas.description
        if described is not None and task not in described.tasks:
            raise ApiError(
                "task_not_served",
                f"the model {self._checkpoint.name} cannot {task}; it serves {', '.join(described.tasks)}",
            )
        if task == "classify" and described is None:
            raise ApiError("model_unavailable", "the model is not loaded yet; try again", {"Retry-After": "1"})
        if task == "fill-mask" and self._texts is None:
            raise ApiError("task_not_served", f"the model {self._checkpoint.name} has no mask token")

    async def in_thread(self, function: Callable[[], _Result]) -> _Result:
        """Run what takes long outside the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)

    async def _tokenize(self, function: Callable[[], _Result]) -> _Result:
        start = time.perf_counter()
        try:
            return await self.in_thread(function)
        finally:
            self.metrics.tokenise.observe(time.perf_counter() - start)


def _by_text(row_answers: Answer, shapes: Sequence[MaskedText]) -> list[bytes]:
    """JSON of each text from the answers to its rows: candidates, or where it has several masks a list of them."""
    rows = iter(row_answers)
    answers = []
    for shape in shapes:
        masks = [mask for _ in shape.inputs for mask in next(rows)]
        answers.append(masks[0] if len(masks) == 1 else b"[" + b",".join(masks) + b"]")
    return answers
