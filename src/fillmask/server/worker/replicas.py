"""Starts the model processes, gives them work, notices when they die, and replaces them.

The end of a pipe says at once that its process died; pings without an answer
say that one hangs. The work that a process held fails with 503, and work that
waits goes to the next process. A model that cannot be loaded, or processes that
keep dying, end the service.
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
_MAX_DEATHS = 5
_DEATHS_SECONDS = 60.0
_LOST = "the model process died while it had this request; try again"


def worker_environment() -> dict[str, str]:
    """The environment of the processes that the server starts: its own without the key."""
    return {name: value for name, value in os.environ.items() if name != "FILLMASK_API_KEY"}


class Replica:
    """One model process and the work that it holds."""

    def __init__(self, name: int, argument: str, on_message: Callable[[Replica, Any], None]) -> None:
        self.name = name
        self.description: wire.ModelDescription | None = None
        self.batches: dict[int, list[QueuedRow]] = {}
        self.running: int | None = None  # the batch that the model runs; earlier ones are being written as JSON
        self.jobs: dict[int, QueuedJob] = {}
        self.pings = 0  # without an answer
        self.since = time.monotonic()
        self.ready_or_dead = asyncio.Event()
        self._on_message = on_message
        self._pipe: asyncio.WriteTransport | None = None
        self.process = subprocess.Popen(
            # -P: the folder that the server was started in is no place to import from.
            [sys.executable, "-P", "-m", "fillmask.server.worker.worker", argument],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=worker_environment(),
        )

    @property
    def ready(self) -> bool:
        """Whether it takes work."""
        return self.description is not None and self.pings < _SILENT_PINGS

    def jobs_of(self, task: str) -> int:
        """The number of jobs of a task that it holds."""
        return sum(job.task == task for job in self.jobs.values())

    async def connect(self) -> None:
        """Listen to it."""
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: _Reader(self, self._on_message), self.process.stdout)
        self._pipe, _ = await loop.connect_write_pipe(_Writer, self.process.stdin)

    def send(self, message: object) -> None:
        """Write a message. Has no effect when the process is gone, which its other pipe reports."""
        if self._pipe is not None and not self._pipe.is_closing():
            self._pipe.write(wire.encode_frame(message))

    def end(self) -> None:
        """Close its standard input, at which it exits."""
        if self._pipe is not None:
            self._pipe.close()


class _Reader(asyncio.Protocol):
    def __init__(self, replica: Replica, on_message: Callable[[Replica, Any], None]) -> None:
        self._replica = replica
        self._on_message = on_message
        self._frames = wire.FrameReader()

    def data_received(self, data: bytes) -> None:
        for message in self._frames.feed(data):
            self._on_message(self._replica, message)

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_message(self._replica, None)


class _Writer(asyncio.BaseProtocol):
    """The write side of a pipe. It needs no flow control, since a process holds little work at once."""

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
        self._limits = limits
        self._argument = self._worker_argument(settings)
        self._metrics = metrics
        self._give_up = give_up
        self._numbers = itertools.count(1)
        self._deaths: deque[float] = deque()
        self._ending = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._successors: set[Replica] = set()  # being loaded, to take the place of others
        self._retired: set[Replica] = set()  # that finish the work that they hold, or are about to exit
        self.batcher: Batcher
        self.jobs: JobQueue
        self.description: wire.ModelDescription | None = None  # of the model, once a process has loaded it
        self._all = [Replica(name, self._argument, self._on_message) for name in range(count)]

    def _worker_argument(self, settings: dict[str, Any]) -> str:
        return json.dumps({**settings, "limits": asdict(self._limits)})

    @property
    def ready(self) -> list[Replica]:
        """The processes that take work, the least busy first."""
        return sorted(
            (replica for replica in self._all if replica.ready),
            key=lambda replica: len(replica.batches) + len(replica.jobs),
        )

    async def start(self) -> None:
        """Listen to the processes that started with this object."""
        for replica in self._all:
            await replica.connect()
        self._later(self._watch())

    def dispatch(self) -> None:
        """Give work to every process that has room for it."""
        for replica in self.ready:
            assert replica.description is not None
            # One batch at a time, so that a request whose client leaves meanwhile is not run.
            if replica.running is None and (batch := self.batcher.take(replica.description.budget)):
                number = next(self._numbers)
                replica.batches[number] = batch
                replica.running = number
                replica.send(wire.FillBatch(number, [waiting.row for waiting in batch]))
            for task, room in LANES.items():
                while replica.jobs_of(task) < room and (job := self.jobs.take(task)):
                    number = next(self._numbers)
                    replica.jobs[number] = job
                    replica.send(wire.RunJob(number, task, job.request))

    async def switch(self, settings: dict[str, Any]) -> None:
        """Replace the processes one by one by those of other settings, each when its successor is ready.

        Without effect where the processes run with that engine and precision already. A successor that cannot load the
        model changes nothing.
        """
        described = self.description
        if described and (described.engine, described.precision) == (settings["engine"], settings["precision"]):
            return
        argument = self._worker_argument(settings)
        for index, old in enumerate(self._all):
            new = Replica(old.name, argument, self._on_message)
            self._successors.add(new)
            try:
                await new.connect()
                await new.ready_or_dead.wait()
            finally:
                self._successors.discard(new)
            if new.description is None or self._ending or self._all[index] is not old:
                self._retired.add(new)
                new.end()
                return
            self._argument = argument
            self._all[index] = new
            self._retired.add(old)
            self._end_when_idle(old)
            self.dispatch()

    def _end_when_idle(self, replica: Replica) -> None:
        if not replica.batches and not replica.jobs:
            replica.end()

    def stop(self, job: QueuedJob) -> None:
        """Tell the process that has the job, if one has it, that nobody waits for it."""
        for replica in (*self._all, *self._retired):
            for number, other in replica.jobs.items():
                if other is job:
                    replica.send(wire.CancelJob(number))

    def _on_message(self, replica: Replica, message: Any) -> None:
        match message:
            case wire.BatchRan(number=number, seconds=seconds):
                self._metrics.inference.labels("fill-mask").observe(seconds)
                replica.running = None
            case wire.BatchFilled(number=number, rows=rows):
                for waiting, answer in zip(replica.batches.pop(number), rows, strict=True):
                    if isinstance(answer, wire.RowError):
                        waiting.request.fail(ApiError(answer.error_type, answer.message))
                    else:
                        waiting.request.answer(waiting.place, answer)
            case wire.JobDone(number=number, body=body, seconds=seconds):
                job = replica.jobs.pop(number)
                self._metrics.inference.labels(job.task).observe(seconds)
                job.answer(body)
            case wire.JobProgressed(number=number, settled=settled, holes=holes, forward_passes=passes):
                replica.jobs[number].report(JobProgress(settled, holes, passes))
            case wire.JobFailed(number=number, refusal=refusal):
                self._fail(replica, number, ApiError(refusal.error_type, refusal.message))
            case wire.JobCancelled(number=number):
                replica.jobs.pop(number)
            case wire.Pong():
                replica.pings = 0
            case wire.ModelReady(description=description):
                replica.description = self.description = description
                replica.ready_or_dead.set()
                logs.event(
                    "model ready",
                    replica=replica.name,
                    pid=replica.process.pid,
                    engine=description.engine,
                    precision=description.precision,
                )
            case wire.ModelFailed(message=text) if replica in self._successors:
                logs.event("engine not changed", level=logging.WARNING, reason=text)
            case wire.ModelFailed(message=text):
                self._ending = True
                self._give_up(text)
            case None:
                self._on_death(replica)
        if replica in self._retired:
            self._end_when_idle(replica)
        self._metrics.ready.set(len(self.ready))
        self.dispatch()

    def _fail(self, replica: Replica, number: int, error: Exception) -> None:
        if number in replica.jobs:
            replica.jobs.pop(number).fail(error)
        if replica.running == number:
            replica.running = None
        for waiting in replica.batches.pop(number, ()):
            waiting.request.fail(error)

    def _on_death(self, replica: Replica) -> None:
        replica.description = None
        replica.ready_or_dead.set()
        replica.end()
        for number in [*replica.batches, *replica.jobs]:
            self._fail(replica, number, ApiError("model_unavailable", _LOST, {"Retry-After": "1"}))
        if replica not in self._all:  # its place is taken, or it never had one
            self._retired.add(replica)
            self._later(self._reap(replica))
            return
        if self._ending:
            return
        now = time.monotonic()
        self._deaths.append(now)
        while now - self._deaths[0] > _DEATHS_SECONDS:
            self._deaths.popleft()
        logs.event("model process died", level=logging.ERROR, replica=replica.name, deaths=len(self._deaths))
        if len(self._deaths) > _MAX_DEATHS:
            self._ending = True
            self._give_up(f"model processes died {len(self._deaths)} times in a minute; see the log")
            return
        self._later(self._replace(replica))

    async def _reap(self, replica: Replica) -> None:
        await asyncio.to_thread(replica.process.wait)
        self._retired.discard(replica)

    async def _replace(self, replica: Replica) -> None:
        code = await asyncio.to_thread(replica.process.wait)
        # The first is replaced at once, and each further one later than the last.
        await asyncio.sleep(min(0.5 * (len(self._deaths) - 1), 5.0))
        if self._ending:
            return
        self._metrics.restarts.inc()
        new = Replica(replica.name, self._argument, self._on_message)
        self._all[self._all.index(replica)] = new
        logs.event("model process started again", replica=replica.name, exit_code=code, pid=new.process.pid)
        await new.connect()

    async def _watch(self) -> None:
        """Ping. Pings are counted rather than timed, so that a machine that slept kills no process."""
        while not self._ending:
            await asyncio.sleep(_PING_SECONDS)
            for replica in self._all:
                if replica.description is None:
                    if time.monotonic() - replica.since > _START_SECONDS:
                        replica.process.kill()
                    continue
                replica.pings += 1
                if replica.pings == _SILENT_PINGS:
                    logs.event("model process silent", level=logging.WARNING, replica=replica.name)
                if replica.pings >= _HUNG_PINGS:
                    replica.process.kill()
                replica.send(wire.Ping(replica.pings))
            self._metrics.ready.set(len(self.ready))

    def _later(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Close the processes, and kill those that are still there after a second."""
        self._ending = True
        for task in self._tasks:
            task.cancel()
        everyone = [*self._all, *self._retired, *self._successors]
        for replica in everyone:
            replica.end()
        for replica in everyone:
            try:
                await asyncio.to_thread(replica.process.wait, 1.0)
            except subprocess.TimeoutExpired:
                replica.process.kill()
                await asyncio.to_thread(replica.process.wait)
