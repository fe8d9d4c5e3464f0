"""The model processes: started, listened to, missed when they die, started again.

A dead process is noticed by the end of its pipe, at once; one that hangs by
pings without an answer. What it had in hand fails with 503; what waits goes to
the next one. A model that cannot be loaded, or processes that keep dying, end
the service.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from fillmask.server import logs
from fillmask.server.errors import ApiError
from fillmask.server.limits import Limits
from fillmask.server.metrics import Metrics
from fillmask.server.scheduling.batcher import Batcher, QueuedRow
from fillmask.server.scheduling.jobs import JobProgress, JobQueue, QueuedJob
from fillmask.server.worker import wire
from fillmask.server.worker.lanes import LANES

_PING_SECONDS = 0.5
_SILENT_PINGS = 3  # without an answer: not ready
_HUNG_PINGS = 60  # without an answer: killed
_START_SECONDS = 300.0
_MOST_DEATHS = 5
_DEATHS_SECONDS = 60.0
_LOST = "the model process died while it had this request; try again"


class Replica:
    """One model process and what it has in hand."""

    def __init__(self, name: int, argument: str, tell: Callable[[Replica, Any], None]) -> None:
        self.name = name
        self.description: wire.ModelDescription | None = None
        self.batches: dict[int, list[QueuedRow]] = {}
        self.running: int | None = None  # the batch that has the model; those before it are being written
        self.jobs: dict[int, QueuedJob] = {}
        self.pings = 0  # without an answer
        self.since = time.monotonic()
        self._tell = tell
        self._pipe: asyncio.WriteTransport | None = None
        environment = {key: value for key, value in os.environ.items() if key != "FILLMASK_API_KEY"}
        self.process = subprocess.Popen(
            # -P: the folder that the server was started in is no place to import from.
            [sys.executable, "-P", "-m", "fillmask.server.worker.worker", argument],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )

    @property
    def ready(self) -> bool:
        """Whether it can be given work."""
        return self.description is not None and self.pings < _SILENT_PINGS

    def lane(self, task: str) -> int:
        """Jobs of a kind in hand."""
        return sum(job.task == task for job in self.jobs.values())

    async def connect(self) -> None:
        """Listen to it."""
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: _Reader(self, self._tell), self.process.stdout)
        self._pipe, _ = await loop.connect_write_pipe(_Writer, self.process.stdin)

    def send(self, message: object) -> None:
        """Write a message; without effect when the process is gone, which its other pipe will tell."""
        if self._pipe is not None and not self._pipe.is_closing():
            self._pipe.write(wire.encode_frame(message))

    def end(self) -> None:
        """Close its stdin, at which it exits."""
        if self._pipe is not None:
            self._pipe.close()


class _Reader(asyncio.Protocol):
    def __init__(self, replica: Replica, tell: Callable[[Replica, Any], None]) -> None:
        self._replica = replica
        self._tell = tell
        self._frames = wire.FrameReader()

    def data_received(self, data: bytes) -> None:
        for message in self._frames.feed(data):
            self._tell(self._replica, message)

    def connection_lost(self, exc: Exception | None) -> None:
        self._tell(self._replica, None)


class _Writer(asyncio.BaseProtocol):
    """Flow control is not needed: little is in hand at once."""

    def pause_writing(self) -> None: ...

    def resume_writing(self) -> None: ...


class Replicas:
    """All model processes.

    Args:
        count: how many.
        settings: arguments of the model, as for `MaskedLM`.
        give_up: called with what to say when the service cannot go on.
    """

    def __init__(
        self, count: int, settings: dict[str, Any], limits: Limits, metrics: Metrics, give_up: Callable[[str], None]
    ) -> None:
        self._argument = json.dumps({**settings, "limits": asdict(limits)})
        self._metrics = metrics
        self._give_up = give_up
        self._numbers = itertools.count(1)
        self._deaths: deque[float] = deque()
        self._ending = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.batcher: Batcher
        self.jobs: JobQueue
        self.description: wire.ModelDescription | None = None  # of the model, once one process has loaded it
        self._all = [Replica(name, self._argument, self._heard) for name in range(count)]

    @property
    def ready(self) -> list[Replica]:
        """Those that can be given work, the least busy first."""
        return sorted((one for one in self._all if one.ready), key=lambda one: len(one.batches) + len(one.jobs))

    async def start(self) -> None:
        """Listen to those that were started with this object."""
        for one in self._all:
            await one.connect()
        self._later(self._watch())

    def pump(self) -> None:
        """Give work to those that have room for it."""
        for one in self.ready:
            assert one.description is not None
            # One at a time, so that those who leave meanwhile are not run.
            if one.running is None and (batch := self.batcher.take(one.description.budget)):
                number = next(self._numbers)
                one.batches[number] = batch
                one.running = number
                one.send(wire.FillBatch(number, [waiting.row for waiting in batch]))
            for task, room in LANES.items():
                while one.lane(task) < room and (job := self.jobs.take(task)):
                    number = next(self._numbers)
                    one.jobs[number] = job
                    one.send(wire.RunJob(number, task, job.request))

    def stop(self, job: QueuedJob) -> None:
        """Tell the process that has the job, if one has, that nobody waits for it."""
        for one in self._all:
            for number, other in one.jobs.items():
                if other is job:
                    one.send(wire.CancelJob(number))

    def _heard(self, one: Replica, message: Any) -> None:
        match message:
            case wire.BatchRan(number=number, seconds=seconds):
                self._metrics.inference.labels("fill-mask").observe(seconds)
                one.running = None
            case wire.BatchFilled(number=number, rows=rows):
                for waiting, found in zip(one.batches.pop(number), rows, strict=True):
                    if isinstance(found, wire.RowError):
                        waiting.request.fail(ApiError(found.error_type, found.message))
                    else:
                        waiting.request.answer(waiting.place, found)
            case wire.JobDone(number=number, body=body, seconds=seconds):
                job = one.jobs.pop(number)
                self._metrics.inference.labels(job.task).observe(seconds)
                job.answer(body)
            case wire.JobProgressed(number=number, done=done, holes=holes, forward_passes=passes):
                one.jobs[number].report(JobProgress(done, holes, passes))
            case wire.JobFailed(number=number, refusal=refusal):
                self._fail(one, number, ApiError(refusal.error_type, refusal.message))
            case wire.JobCancelled(number=number):
                one.jobs.pop(number)
            case wire.Pong():
                one.pings = 0
            case wire.ModelReady(description=description):
                one.description = self.description = description
                logs.event(
                    "model ready",
                    replica=one.name,
                    pid=one.process.pid,
                    engine=description.engine,
                    precision=description.precision,
                )
            case wire.ModelFailed(message=text):
                self._ending = True
                self._give_up(text)
            case None:
                self._lost(one)
        self._metrics.ready.set(len(self.ready))
        self.pump()

    def _fail(self, one: Replica, number: int, error: Exception) -> None:
        if number in one.jobs:
            one.jobs.pop(number).fail(error)
        if one.running == number:
            one.running = None
        for waiting in one.batches.pop(number, ()):
            waiting.request.fail(error)

    def _lost(self, one: Replica) -> None:
        one.description = None
        one.end()
        for number in [*one.batches, *one.jobs]:
            self._fail(one, number, ApiError("model_unavailable", _LOST, {"Retry-After": "1"}))
        if self._ending:
            return
        now = time.monotonic()
        self._deaths.append(now)
        while now - self._deaths[0] > _DEATHS_SECONDS:
            self._deaths.popleft()
        logs.event("model process died", level=logging.ERROR, replica=one.name, deaths=len(self._deaths))
        if len(self._deaths) > _MOST_DEATHS:
            self._ending = True
            self._give_up(f"model processes died {len(self._deaths)} times in a minute; see the log")
            return
        self._later(self._replace(one))

    async def _replace(self, one: Replica) -> None:
        code = await asyncio.to_thread(one.process.wait)
        # The first is replaced at once; those that keep dying, ever later.
        await asyncio.sleep(min(0.5 * (len(self._deaths) - 1), 5.0))
        if self._ending:
            return
        self._metrics.restarts.inc()
        new = Replica(one.name, self._argument, self._heard)
        self._all[self._all.index(one)] = new
        logs.event("model process started again", replica=one.name, exit_code=code, pid=new.process.pid)
        await new.connect()

    async def _watch(self) -> None:
        """Ping. A count of pings, and not the clock, so that a machine that slept kills nothing."""
        while not self._ending:
            await asyncio.sleep(_PING_SECONDS)
            for one in self._all:
                if one.description is None:
                    if time.monotonic() - one.since > _START_SECONDS:
                        one.process.kill()
                    continue
                one.pings += 1
                if one.pings == _SILENT_PINGS:
                    logs.event("model process silent", level=logging.WARNING, replica=one.name)
                if one.pings >= _HUNG_PINGS:
                    one.process.kill()
                one.send(wire.Ping(one.pings))
            self._metrics.ready.set(len(self.ready))

    def _later(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End the processes: politely, and after a second not."""
        self._ending = True
        for task in self._tasks:
            task.cancel()
        for one in self._all:
            one.end()
        for one in self._all:
            try:
                await asyncio.to_thread(one.process.wait, 1.0)
            except subprocess.TimeoutExpired:
                one.process.kill()
                await asyncio.to_thread(one.process.wait)
