"""Batch jobs on Ray: the same result as on one machine, with workers, resumed, and with a node that goes away."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("ray", reason="needs fillmask[ray]")
pytestmark = [
    # Ray leaves sockets and files of its processes to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray"),
    pytest.mark.filterwarnings("ignore::FutureWarning:ray"),
]

from fillmask.batch import local
from fillmask.batch.job import BatchJob, BatchProgress
from fillmask.batch.ray import run_on_ray
from fillmask.errors import FillMaskError, InputError

STORE = 200 << 20  # bytes of a node's object store


@pytest.fixture
def source(tmp_path: Path) -> Path:
    texts = [f"The {'dog ' * (1 + n % 6)}<mask> {n}." if n % 97 else "nothing" for n in range(6000)]
    pq.write_table(pa.table({"id": range(len(texts)), "text": texts}), tmp_path / "in.parquet", row_group_size=700)
    return tmp_path / "in.parquet"


def same(one: Path, other: Path) -> bool:
    names = sorted(path.name for path in one.glob("*-0*"))
    assert names == sorted(path.name for path in other.glob("*-0*"))
    assert len(names) > 10
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in names)


def test_the_result_is_that_of_one_machine(cluster: object, job: Callable[..., BatchJob], source: Path, tmp_path: Path) -> None:  # fmt: skip
    """And a job that was begun on one machine is finished on the cluster."""
    plain = local.run(job(source, output="plain", shard_rows=400, id="id"))

    def stop(progress: BatchProgress) -> None:
        if progress.rows > 1300:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        local.run(job(source, shard_rows=400, id="id"), on_progress=stop)
    seen: list[BatchProgress] = []
    summary = run_on_ray(job(source, shard_rows=400, id="id"), "auto", on_progress=seen.append)
    assert (summary.rows, summary.rejected, summary.shards) == (plain.rows, plain.rejected, plain.shards)
    assert 0 < summary.computed < plain.rows
    assert (seen[-1].rows, seen[-1].expected) == (6000, 6000)
    assert same(tmp_path / "plain", tmp_path / "out")


def test_text_is_read_in_one_stream(cluster: object, job: Callable[..., BatchJob], tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("".join(f"The <mask> {n}.\n" for n in range(500)), "utf-8")
    local.run(job(tmp_path / "in.txt", output="plain", shard_rows=40))
    run_on_ray(job(tmp_path / "in.txt", shard_rows=40), "auto")
    assert same(tmp_path / "plain", tmp_path / "out")


def test_schemas_are_reconciled_as_on_one_machine(
    cluster: object, job: Callable[..., BatchJob], tmp_path: Path
) -> None:
    texts = [f"The <mask> {n}." for n in range(300)]
    empty = pa.table({"said": pa.array([], pa.null())})
    first = pa.table(
        {"n": pa.array(range(300), pa.int32()), "text": texts, "word": pa.array(texts).dictionary_encode()}
    )
    second = pa.table({"text": pa.array(texts, pa.large_string()), "word": texts, "n": [0.5] * 300, "more": texts})
    for name, table in (("a", empty), ("b", first), ("c", second)):
        pq.write_table(table, tmp_path / f"{name}.parquet")
    inputs = [tmp_path / f"{name}.parquet" for name in "abc"]
    local.run(job(*inputs, output="plain", shard_rows=40))
    run_on_ray(job(*inputs, shard_rows=40), "auto")
    assert same(tmp_path / "plain", tmp_path / "out")
    pq.write_table(pa.table({"text": ["a <mask>"], "n": ["one"]}), tmp_path / "d.parquet")
    with pytest.raises(InputError, match=r"'n' is double in .*c\.parquet and string in .*d\.parquet"):
        run_on_ray(job(*inputs, tmp_path / "d.parquet", output="other"), "auto")


def test_what_goes_wrong_in_a_worker_is_told(cluster: object, job: Callable[..., BatchJob], tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("The <mask>.\n", "utf-8")
    made = job(tmp_path / "in.txt", parameters={"targets": ["dog"]})
    with pytest.raises(InputError, match="stdin"):
        run_on_ray(job("-"), "auto")  # type: ignore[arg-type]
    (tmp_path / "out" / "part-000000.parquet").mkdir(parents=True)  # where a file should go
    with pytest.raises((OSError, FillMaskError), match="part-000000"):
        run_on_ray(made, "auto")


def test_a_node_is_killed_in_the_middle(
    cluster: object, job: Callable[..., BatchJob], source: Path, tmp_path: Path
) -> None:
    local.run(job(source, output="plain", shard_rows=200, id="id"))
    node = cluster.add_node(num_cpus=1, object_store_memory=STORE)  # type: ignore[attr-defined]
    killed = threading.Event()

    def kill() -> None:
        # What a worker that is killed while it writes leaves, which happens here by itself only now and then.
        (tmp_path / "out" / "part-000007.parquet.0123abcd.part").write_bytes(b"PAR1")
        cluster.remove_node(node, allow_graceful=False)  # type: ignore[attr-defined]
        killed.set()

    def watch(progress: BatchProgress) -> None:
        time.sleep(0.02)  # so that there is a middle
        if progress.rows > 1500 and not killed.is_set():
            kill()

    summary = run_on_ray(job(source, shard_rows=200, id="id"), "auto", workers=(2, 2), on_progress=watch)
    assert killed.is_set()
    assert summary.shards == 30
    assert not list((tmp_path / "out").glob("*.part"))
    assert same(tmp_path / "plain", tmp_path / "out")
