"""Model processes that are given work, die, hang, or cannot load; the processes of these tests only act as one."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from fillmask.runtime.engines import CPU_BUDGET
from fillmask.server.errors import ApiError
from fillmask.server.limits import Limits
from fillmask.server.metrics import Metrics
from fillmask.server.scheduling.batcher import Batcher
from fillmask.server.scheduling.jobs import JobQueue
from fillmask.server.worker import replicas
from fillmask.server.worker.replicas import Replicas

_ACTOR = """
import json, os, sys, time
from fillmask.runtime.engines import CPU_BUDGET
from fillmask.server.worker import wire

channel = wire.Channel(sys.stdin.buffer, sys.stdout.buffer)
settings = json.loads(sys.argv[1])
if {fails!r} or settings["model"] == "broken":
    channel.send(wire.ModelFailed("there is no such model"))
    sys.exit()
channel.send(wire.ModelReady(wire.ModelDescription(settings.get("engine", "acting"), "float32", ("score", "restore"), CPU_BUDGET)))
while (message := channel.receive()) is not None:
    match message:
        case wire.Ping(number=number) if not {deaf!r}:
            channel.send(wire.Pong(number))
        case wire.RunJob(number=number, request={{"inputs": "die"}}):
            os._exit(7)
        case wire.RunJob(number=number, request={{"inputs": "refuse"}}):
            channel.send(wire.JobFailed(number, wire.RowError("invalid_input", "no")))
        case wire.RunJob(number=number, request={{"inputs": "wait"}}):
            channel.send(wire.JobProgressed(number, 1, 2, 3))
        case wire.RunJob(number=number, request=request):
            channel.send(wire.JobDone(number, request["inputs"].encode(), 0.0))
        case wire.CancelJob(number=number):
            channel.send(wire.JobCancelled(number))
"""


class Stage:
    """Replicas whose processes act, and the queue of their jobs."""

    def __init__(self, count: int) -> None:
        self.reasons: list[str] = []
        self.metrics = Metrics()
        self.replicas = Replicas(count, {"model": "none"}, Limits(), self.metrics, self.reasons.append)
        self.jobs = JobQueue(self.metrics, wake=self.replicas.dispatch, stop=self.replicas.stop)
        self.replicas.jobs = self.jobs
        self.replicas.batcher = Batcher(self.metrics, wait=0, wake=self.replicas.dispatch)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                await asyncio.sleep(0.005)


Act = Callable[..., None]


@pytest.fixture
def act(monkeypatch: pytest.MonkeyPatch) -> Act:
    """Runs a scene on a stage."""
    start: Any = subprocess.Popen

    def run(
        scene: Callable[[Stage], Awaitable[None]], *, count: int = 1, fails: bool = False, deaf: bool = False
    ) -> None:
        script = _ACTOR.format(fails=fails, deaf=deaf)
        monkeypatch.setattr(
            replicas.subprocess,
            "Popen",
            lambda command, **kwargs: start([sys.executable, "-c", script, command[-1]], **kwargs),
        )

        async def main() -> None:
            stage = Stage(count)
            await stage.replicas.start()
            try:
                await scene(stage)
            finally:
                await stage.replicas.close()

        asyncio.run(main())

    return run


def test_jobs_are_answered_and_refused(act: Act) -> None:
    async def scene(stage: Stage) -> None:
        assert await stage.jobs.submit("score", {"inputs": "one"}).future == b"one"
        with pytest.raises(ApiError, match="no") as refusal:
            await stage.jobs.submit("score", {"inputs": "refuse"}).future
        assert refusal.value.status == 422
        assert stage.replicas.description is not None
        assert stage.replicas.description.budget == CPU_BUDGET

    act(scene)


def test_a_dead_process_is_replaced_and_what_waits_is_kept(act: Act) -> None:
    async def scene(stage: Stage) -> None:
        await stage.until(lambda: bool(stage.replicas.ready))
        first = stage.replicas.ready[0].process.pid
        dying = stage.jobs.submit("score", {"inputs": "die"})
        waiting = stage.jobs.submit("score", {"inputs": "after"})
        with pytest.raises(ApiError) as error:
            await dying.future
        assert (error.value.status, error.value.headers) == (503, {"Retry-After": "1"})
        assert await waiting.future == b"after"
        assert stage.replicas.ready[0].process.pid != first
        assert not stage.reasons

    act(scene)


def test_work_goes_to_the_least_busy(act: Act) -> None:
    async def scene(stage: Stage) -> None:
        await stage.until(lambda: len(stage.replicas.ready) == 2)
        jobs = [stage.jobs.submit("restore", {"inputs": "wait"}) for _ in range(2)]
        busy = sorted(replica.jobs_of("restore") for replica in stage.replicas.ready)
        assert sum(busy) == 2
        assert await stage.jobs.submit("score", {"inputs": "one"}).future == b"one"
        for job in jobs:
            job.future.cancel()

    act(scene, count=2)


def test_a_job_that_nobody_waits_for_is_cancelled(act: Act) -> None:
    async def scene(stage: Stage) -> None:
        job = stage.jobs.submit("restore", {"inputs": "wait"})
        await stage.until(lambda: job.progress is not None)
        assert job.progress is not None
        assert (job.progress.settled, job.progress.holes, job.progress.forward_passes) == (1, 2, 3)
        job.future.cancel()
        await stage.until(lambda: not stage.replicas.ready[0].jobs)

    act(scene)


def test_a_model_that_cannot_be_loaded_ends_the_service(act: Act) -> None:
    async def scene(stage: Stage) -> None:
        await stage.until(lambda: bool(stage.reasons))
        assert stage.reasons == ["there is no such model"]
        assert not stage.replicas.ready

    act(scene, fails=True)


def test_processes_that_keep_dying_end_the_service(act: Act, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicas, "_MAX_DEATHS", 1)

    async def scene(stage: Stage) -> None:
        for _ in range(2):
            with pytest.raises(ApiError):
                await stage.jobs.submit("score", {"inputs": "die"}).future
        await stage.until(lambda: bool(stage.reasons))
        assert "died 2 times" in stage.reasons[0]

    act(scene)


def test_a_process_that_does_not_answer_is_not_ready_and_is_killed_at_last(
    act: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicas, "_PING_SECONDS", 0.01)

    async def scene(stage: Stage) -> None:
        await stage.until(lambda: stage.replicas.description is not None)
        await stage.until(lambda: not stage.replicas.ready)
        await stage.until(lambda: bool(stage.replicas._deaths))

    act(scene, deaf=True)


def test_processes_are_switched_while_they_work(act: Act) -> None:
    """What an old process holds is finished; what comes goes to its successor; no process counts as dead."""

    async def scene(stage: Stage) -> None:
        await stage.until(lambda: len(stage.replicas.ready) == 2)
        old = {replica.process.pid for replica in stage.replicas.ready}
        held = [stage.jobs.submit("restore", {"inputs": "wait"}) for _ in range(4)]
        await stage.until(lambda: all(job.progress is not None for job in held))
        await stage.replicas.switch({"model": "none", "engine": "faster", "precision": "float32"})
        ready = stage.replicas.ready
        assert len(ready) == 2
        assert not old & {replica.process.pid for replica in ready}
        assert stage.replicas.description is not None
        assert stage.replicas.description.engine == "faster"
        assert await stage.jobs.submit("score", {"inputs": "one"}).future == b"one"
        assert not any(job.future.done() for job in held)
        retired = list(stage.replicas._retired)
        assert {replica.process.pid for replica in retired} == old
        for job in held:
            job.future.cancel()
        await stage.until(lambda: not stage.replicas._retired)
        assert not stage.replicas._deaths
        assert stage.metrics.restarts._value.get() == 0

    act(scene, count=2)


def test_a_successor_that_cannot_load_changes_nothing(act: Act) -> None:
    async def scene(stage: Stage) -> None:
        await stage.until(lambda: bool(stage.replicas.ready))
        process = stage.replicas.ready[0].process.pid
        await stage.replicas.switch({"model": "broken", "engine": "faster", "precision": "float32"})
        await stage.replicas.switch({"model": "none", "engine": "acting", "precision": "float32"})  # as it is
        assert [replica.process.pid for replica in stage.replicas.ready] == [process]
        assert await stage.jobs.submit("score", {"inputs": "one"}).future == b"one"
        assert not stage.reasons

    act(scene)
