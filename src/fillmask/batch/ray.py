"""A batch job on a Ray cluster, as a Ray Data pipeline: read → compute and commit.

Reading tasks cut the input into the same shards as on one machine; a pool of
actors, each with a model and one core, computes and commits them; and this
process notes them in the same manifest. So a job may be begun
on one machine and finished on a cluster, and comes out the same. Scheduling,
retries, backpressure and the size of the pool are Ray Data's.

Every node must see the inputs and the output's folder under the same paths.
"""

from __future__ import annotations

import logging
import os
import pickle
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from typing import Any

from fillmask.batch import tasks
from fillmask.batch.job import BatchJob, BatchProgress, JobSummary, OnProgress, PreparedJob, prepare, provenance_of
from fillmask.batch.local import summary
from fillmask.batch.manifest import CommittedShard, Manifest, open_manifest
from fillmask.batch.outputs import ShardEncoder, commit
from fillmask.batch.rows import ShardRows
from fillmask.batch.selection import select_engine
from fillmask.batch.shards import ShardPlan, ShardReader
from fillmask.batch.tasks import TaskOptions
from fillmask.data.remote import AnyPath
from fillmask.errors import CheckpointError, FillMaskError, InputError, MissingExtraError

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
# Ray's own notes would run through the bar; what goes wrong is raised.
os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
logging.getLogger("ray").setLevel(logging.ERROR)
logging.getLogger("ray.data").setLevel(logging.ERROR)
try:
    import ray
    import ray._private.ray_constants
    import ray.data
    import ray.exceptions
except ImportError as missing:
    raise MissingExtraError("a Ray cluster", "ray") from missing

LOCAL = "local"
_STORE = 256 << 20  # bytes of the object store of a local cluster: shards in flight, not the data
_SHARDS = 16  # that a task reads, where a file can be read from any row
_ALL = -1
_FEEDS = 64  # workers that one reading task keeps busy
_IN_FLIGHT = 2  # shards that wait at an actor, the one that it computes included


def run_on_ray(
    job: BatchJob,
    address: str,
    *,
    workers: tuple[int, int | None] = (1, None),
    restart: bool = False,
    on_progress: OnProgress | None = None,
) -> JobSummary:
    """Run a job, or the rest of it, on a cluster.

    Args:
        address: of the cluster; "auto" for the one that this machine belongs to; "local" to start one here.
        workers: fewest and most actors, of one core each; by default at most as many as the cluster has cores.
        restart, on_progress: as for `local.run`.

    Raises:
        InputError: an input cannot be read, or the output holds another job.
        FillMaskError: the cluster cannot be reached, or a worker failed.
        OSError: the output cannot be written.
    """
    if any(file.stream for file in job.inputs):
        raise InputError("a cluster cannot read stdin or a pipe; name files that all of its nodes see")
    prepared = prepare(job)
    # Every worker takes what this machine chose, whatever it would choose by itself.
    options, selection = select_engine(prepared, restart=restart)
    provenance = tasks.load(options).provenance
    model = replace(options.model, engine=provenance["engine"], precision=provenance["precision"], threads=1)
    options = replace(options, model=model)
    with open_manifest(job.output, prepared.describe(provenance), restart=restart) as manifest, connected(address):
        if selection is not None:
            manifest.note_selection(selection.as_json())
        return _run(prepared, options, provenance, manifest, workers, on_progress)


@contextmanager
def connected(address: str) -> Iterator[None]:
    """This process as part of a cluster, unless it is that already.

    Raises:
        FillMaskError: there is none at the address.
    """
    if ray.is_initialized():
        yield
        return
    with _loopback_only() if address == LOCAL else nullcontext():
        try:
            if address == LOCAL:
                ray.init(
                    address="local", object_store_memory=_STORE, include_dashboard=False, log_to_driver=False,
                    logging_level=logging.ERROR,
                )  # fmt: skip
            else:
                ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:  # Ray raises Exception itself where a node does not start in time
            raise FillMaskError(f"there is no Ray cluster at {address}: {str(error).splitlines()[0]}") from error
        try:
            yield
        finally:
            ray.shutdown()


@contextmanager
def _loopback_only() -> Iterator[None]:
    """A cluster that is started within the block listens at the loopback address, and asks for a token that was made for it.

    Uses private names of Ray, since there are no public ones; docs/decisions/ray-private-modules.md says why.
    """
    constants: Any = ray._private.ray_constants
    token = "RAY_AUTH_TOKEN"
    with ExitStack() as after:
        # On Linux Ray turns any spelling of the loopback address that `ray.init` is given into that of the network. With
        # this switch, which is off by itself on macOS and Windows, a node has the loopback address, and so do its ports.
        if getattr(constants, "ENABLE_RAY_CLUSTER", False):
            constants.ENABLE_RAY_CLUSTER = False
            after.callback(setattr, constants, "ENABLE_RAY_CLUSTER", True)
        # Ray (2.59 and later) would make a token by itself: one for all clusters, in a file that other users may read.
        if token not in os.environ and "RAY_AUTH_TOKEN_PATH" not in os.environ:
            os.environ[token] = secrets.token_hex(32)
            _forget_token()
            after.callback(_forget_token)
            after.callback(os.environ.pop, token, None)
        yield


def _forget_token() -> None:
    """Let Ray look its token up again: it keeps the first that it finds, which would be that of an earlier cluster."""
    try:
        from ray._raylet import AuthenticationTokenLoader  # type: ignore[attr-defined]
    except ImportError:  # a Ray without tokens
        return
    AuthenticationTokenLoader.instance().reset_cache()


def _run(
    prepared: PreparedJob,
    options: TaskOptions,
    provenance: Mapping[str, Any],
    manifest: Manifest,
    workers: tuple[int, int | None],
    on_progress: OnProgress | None,
) -> JobSummary:
    job = prepared.job
    done = frozenset(manifest.done)
    before, earlier = (sum(getattr(d, name) for d in manifest.done.values()) for name in ("rows", "count"))
    rows = earlier
    rejected, masks = sum(d.rejected for d in manifest.done.values()), 0
    begun = time.perf_counter()
    if not manifest.complete:
        pipeline = _pipeline(prepared, options, provenance, manifest, done, workers)
        try:
            for record in pipeline.iter_rows():
                expected = record.pop("expected")
                shard = CommittedShard(**record)
                manifest.add(shard)
                rows, rejected, masks = rows + shard.count, rejected + shard.rejected, masks + shard.masks
                if on_progress is not None:
                    on_progress(BatchProgress(rows, expected or None, earlier, masks, rejected))
        except ray.exceptions.RayError as error:
            raise _cause(error) from error
        manifest.finish()
    return summary(job, manifest, before, masks, time.perf_counter() - begun)


def _resources() -> dict[str, float]:
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return resources


def _cause(error: BaseException) -> Exception:
    """What went wrong in a worker, as this package's error where it is one."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, (FillMaskError, OSError)) and not isinstance(cause, ray.exceptions.RayError):
            return cause
        cause = getattr(cause, "cause", None) or cause.__cause__
    return FillMaskError(f"a worker failed: {str(error).strip().splitlines()[-1]}")


def _pipeline(
    prepared: PreparedJob,
    options: TaskOptions,
    provenance: Mapping[str, Any],
    manifest: Manifest,
    done: frozenset[int],
    workers: tuple[int, int | None],
) -> Any:
    job = prepared.job
    reading = _Reading(prepared.plan, done)
    encoder = ShardEncoder(job.format, prepared.plan.schema.types, provenance_of(manifest.job))
    min_workers, max_workers = workers
    max_workers = max(min_workers, max_workers or int(_resources().get("CPU", 1)))
    context = ray.data.DataContext.get_current()
    saved = context.target_max_block_size, context.enable_progress_bars, context.print_on_execution_start
    # A block is a shard: it is handed on when it is read, not when a hundred megabytes are.
    context.target_max_block_size, context.enable_progress_bars, context.print_on_execution_start = 1, False, False
    try:
        parts = reading.parts()
        data: Any = ray.data.from_items([{"first": a, "stop": b} for a, b in parts], override_num_blocks=len(parts))
        # Reading takes next to no time and no core of its own; that also keeps it out of the actors.
        data = data.map_batches(reading, batch_size=None, num_cpus=0, concurrency=1 + max_workers // _FEEDS)
        # A worker commits what it has computed. As a task of its own writing took a process of its own for each shard or
        # two, since Ray ends those that were idle for a second: more than a second of a core for 40 ms of work.
        return data.map_batches(
            _Worker,
            fn_constructor_args=(options, dict(provenance), encoder, job.output, job.format),
            batch_size=1,
            num_cpus=1,
            compute=ray.data.ActorPoolStrategy(
                min_size=min_workers, max_size=max_workers, max_tasks_in_flight_per_actor=_IN_FLIGHT
            ),
        )
    finally:
        context.target_max_block_size, context.enable_progress_bars, context.print_on_execution_start = saved


@dataclass(frozen=True)
class _Reading:
    """Shards of the input, each as one row: its number, its rows, and how many rows are expected in all."""

    plan: ShardPlan
    done: frozenset[int]

    def parts(self) -> list[tuple[int, int]]:
        """Stretches of shards that are read by one task each: where rows can be counted without reading them, sixteen shards; else all (-1)."""
        if self.plan.files[0].format != "parquet":
            return [(0, _ALL)]
        from fillmask.data.parquet import read_schema

        shards = -(-sum(read_schema(file)[1] for file in self.plan.files) // self.plan.shard_rows)
        parts = [(first, min(first + _SHARDS, shards)) for first in range(0, shards, _SHARDS)]
        return [(a, b) for a, b in parts if not self.done.issuperset(range(a, b))] or [(0, 0)]

    def __call__(self, batch: dict[str, Any]) -> Iterator[dict[str, list[Any]]]:
        for first, stop in zip(batch["first"], batch["stop"], strict=True):
            yield from self._read(int(first), int(stop) if stop >= 0 else None)

    def _read(self, first: int, stop: int | None) -> Iterator[dict[str, list[Any]]]:
        inputs = ShardReader(self.plan)
        try:
            for rows in inputs.shards(_Outside(first, self.done)):
                if stop is not None and rows.shard >= stop:
                    return
                yield {"rows": [pickle.dumps(rows)], "expected": [inputs.rows_expected() or 0]}
                if stop is not None and rows.shard + 1 >= stop:
                    return
        finally:
            inputs.close()


@dataclass(frozen=True)
class _Outside:
    """The shards that are done, and those before the first one wanted."""

    first: int
    done: frozenset[int]

    def __contains__(self, shard: object) -> bool:
        return isinstance(shard, int) and (shard < self.first or shard in self.done)


class _Worker:
    """An actor with a model: computes shards, commits them, and says what they are."""

    def __init__(
        self, options: TaskOptions, provenance: Mapping[str, Any], encoder: ShardEncoder, folder: AnyPath, form: str
    ) -> None:
        self._task = tasks.load(options)
        self._encoder = encoder
        self._folder, self._format = folder, form
        if self._task.provenance["digest"] != provenance["digest"]:
            raise CheckpointError(
                f"the model {provenance['model']} is another one on {os.uname().nodename}; expected the same files on all nodes"
            )

    def __call__(self, batch: dict[str, Sequence[Any]]) -> dict[str, list[Any]]:
        rows: ShardRows = pickle.loads(batch["rows"][0])
        work = self._task.prepare(rows.texts)
        masks = sum(work.run(piece) for piece in range(work.pieces))
        answers, failures = work.answers()
        done = commit(self._folder, self._encoder.encode(rows.without(failures), answers, masks), self._format)
        return {name: [value] for name, value in [*asdict(done).items(), ("expected", int(batch["expected"][0]))]}
