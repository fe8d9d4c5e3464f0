"""Batch jobs beside transformers' pipeline over datasets, beside the bare engine, and on Ray.

    python benchmarks/batch.py [speed] [memory] [ray]

Short rows with one mask each, drawn from the vocabulary of a few paragraphs of
English (median 12 words), and the bundled model. Claims:

- speed: at least 10 times as many rows a second as `transformers.pipeline`
  over `datasets` with the best of several batch sizes, on a subset of the same
  rows in the same run; and at least 90% of the engine's own throughput, which
  is `MaskedLM.log_probabilities` on rows that are tokenised already, with the
  five best words of each mask picked out;
- memory: resident memory at the end within 5% of that after a tenth of the rows;
- ray: one and two local workers take at most 15% more time a row than the plain job on as many threads, from a tenth to
  three quarters of the rows, by the clock and in CPU time, that of all of Ray's processes included. The whole run, with
  the start of Ray and its end, is told beside it.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from harness import Needs, possible, report

from fillmask import FillMask
from fillmask.batch import local
from fillmask.batch.job import BatchJob, BatchProgress, JobSummary
from fillmask.batch.tasks import ModelOptions, TaskOptions
from fillmask.data.files import find_files
from fillmask.tasks.engine_benchmark import sample_documents
from fillmask.tasks.masked_texts import MaskedTexts
from fillmask.tasks.ranking import top_indices
from fillmask.tokenization.masked_input import MaskedInput

ROWS, SUBSET, ENGINE, RAY = 120_000, 800, 20_000, 200_000
RAY_SHARD = 5_000  # rows: a job of forty shards
STEADY = (0.1, 0.75)  # between these shares of the rows all workers have work
RATE, CPU, WHOLE = "steady rows/s", "steady CPU µs a row", "seconds"
BATCH_SIZES = (1, 4, 8, 16, 64)


def texts(count: int, seed: int = 0) -> list[str]:
    """Short texts of English words in no order, 4 to 40 of them, one of which is a mask."""
    rng = np.random.default_rng(seed)
    words = sorted({word for document in sample_documents() for word in document.split() if word.isalpha()})
    lengths = np.clip(rng.lognormal(np.log(12), 0.4, count), 4, 40).astype(int)
    found = []
    for length in lengths:
        chosen = rng.choice(words, length).tolist()
        chosen[int(rng.integers(0, length))] = "<mask>"
        found.append(" ".join(chosen))
    return found


def write(folder: Path, rows: list[str]) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / f"in-{len(rows)}.parquet"
    pq.write_table(pa.table({"id": np.arange(len(rows)), "text": rows}), path, row_group_size=30_000)
    return path


def job(path: Path, output: Path, precision: str = "float32") -> BatchJob:
    return BatchJob(
        find_files([str(path)]), output, TaskOptions("fill", {}, ModelOptions(precision=precision)), id="id"
    )


def speed(folder: Path) -> None:
    rows = texts(ROWS)
    path = write(folder, rows)
    rates = {"fillmask batch, float32": rate(local.run(job(path, folder / "float32")))}
    unmask = FillMask(precision="float32")
    items = [
        MaskedInput(t.ids, [0] * len(t.ids), t.positions)
        for t in map(MaskedTexts(unmask.tokenizer).read, rows[:ENGINE])
    ]
    begun = time.perf_counter()
    for _, found in unmask.model.log_probabilities(items):
        top_indices(found, 5)
    rates["the engine on tokenised rows"] = ENGINE / (time.perf_counter() - begun)
    del unmask
    rates["fillmask batch, int8"] = rate(local.run(job(path, folder / "int8", "int8")))
    rates |= transformers_rates(rows[:SUBSET])
    best = max(value for name, value in rates.items() if name.startswith("transformers"))
    engine = rates["the engine on tokenised rows"]
    report("batch_speed", "Short rows with one mask, five answers each", [
        {
            "contender": name,
            "rows": SUBSET if name.startswith("transformers") else ENGINE if name.startswith("the") else ROWS,
            "rows/s": round(value, 1),
            "× transformers at its best": round(value / best, 1),
            "of the engine": f"{value / engine:.0%}" if "float32" in name else "",
            "minutes per 1M rows": round(1e6 / value / 60, 1),
        }
        for name, value in rates.items()
    ])  # fmt: skip


def transformers_rates(rows: list[str]) -> dict[str, float]:
    """transformers' pipeline over a dataset, as its documentation has it, for several batch sizes."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    import transformers
    from datasets import Dataset
    from transformers.pipelines.pt_utils import KeyDataset

    import fillmask

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    pipe = transformers.pipeline("fill-mask", model=str(Path(fillmask.__file__).parent / "bundled"), device="cpu")
    data = KeyDataset(Dataset.from_dict({"text": rows}), "text")
    list(pipe(KeyDataset(Dataset.from_dict({"text": rows[:64]}), "text"), batch_size=8))
    found = {}
    for size in BATCH_SIZES:
        begun = time.perf_counter()
        count = sum(1 for _ in pipe(data, batch_size=size))
        found[f"transformers, batch_size={size}"] = count / (time.perf_counter() - begun)
    return found


def memory(folder: Path) -> None:
    """Int8, which is faster: what is held does not depend on it."""
    path = write(folder, texts(3 * ROWS))
    page = os.sysconf("SC_PAGE_SIZE")
    highest = [0.0] * 10

    def watch(progress: BatchProgress) -> None:
        held = int(Path("/proc/self/statm").read_text().split()[1]) * page / 1e6
        tenth = min(9, int(progress.rows / (3 * ROWS) * 10))
        highest[tenth] = max(highest[tenth], held)

    local.run(job(path, folder / "memory", "int8"), on_progress=watch)
    found = []
    for tenth in range(1, 11):
        upto = max(highest[:tenth])
        found.append(
            {
                "rows done": f"{tenth / 10:.0%}",
                "rows": round(3 * ROWS * tenth / 10),
                "highest MB so far": round(upto, 1),
            }
        )
    for row in found:
        row["against 10%"] = f"{row['highest MB so far'] / found[0]['highest MB so far'] - 1:+.1%}"
    report("batch_memory", "Resident memory of a batch job", found)


def ray(folder: Path) -> None:
    import logging

    from fillmask.batch.ray import run_on_ray

    logging.disable(logging.WARNING)
    path = write(folder, texts(RAY))
    found: list[dict[str, Any]] = []

    def add(name: str, run: Any) -> None:
        begun = time.perf_counter()
        seen: list[tuple[float, float, float]] = []
        committed = 0

        def watch(progress: BatchProgress) -> None:
            nonlocal committed
            if not seen or progress.rows >= committed + RAY_SHARD:
                committed = int(progress.rows)
                seen.append((progress.rows, time.perf_counter(), cpu_seconds()))

        run(watch)
        end = time.perf_counter()
        # Not up to the last rows: a worker without work is ended, and its CPU time is then no longer to be seen.
        first, start, used = next(one for one in seen if one[0] >= STEADY[0] * RAY)
        last, stop, in_all = next(one for one in reversed(seen) if one[0] <= STEADY[1] * RAY)
        found.append({
            "how": name,
            "rows": RAY,
            WHOLE: round(end - begun, 1),
            "of them up to the first rows": round(seen[0][1] - begun, 1),
            RATE: round((last - first) / (stop - start), 1),
            CPU: round(1e6 * (in_all - used) / (last - first), 1),
        })  # fmt: skip

    for threads in (1, 2):
        options = ModelOptions(precision="float32", threads=threads)
        plain = BatchJob(
            find_files([str(path)]),
            folder / f"plain{threads}",
            TaskOptions("fill", {}, options),
            shard_rows=RAY_SHARD,
            id="id",
        )
        add(f"this process, {threads} threads", lambda watch, plain=plain: local.run(plain, on_progress=watch))
    for workers in (1, 2):
        made = replace(job(path, folder / f"ray{workers}"), shard_rows=RAY_SHARD)
        add(f"Ray, {workers} workers", lambda watch, made=made, n=workers: run_on_ray(made, "local", workers=(n, n), on_progress=watch))  # fmt: skip
    for row, plain in zip(found, found[:2] * 2, strict=True):
        row["steady time, more than plain"] = f"{plain[RATE] / row[RATE] - 1:+.1%}"
        row["steady CPU, more than plain"] = f"{row[CPU] / plain[CPU] - 1:+.1%}"
        row["whole run, more than plain"] = f"{row[WHOLE] / plain[WHOLE] - 1:+.1%}"
    report("batch_ray", "The same job in one process and on a local Ray cluster", found)


def cpu_seconds() -> float:
    """CPU time of this process and of all that Ray has running; of processes that have ended nothing is known."""
    total = 0.0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
            if command.startswith(b"ray::") or b"/ray/" in command or folder.name == str(os.getpid()):
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        except OSError:  # it has ended
            continue
    return total


def rate(summary: JobSummary) -> float:
    return summary.rows / summary.seconds


def main() -> None:
    parts = {"speed": speed, "memory": memory, "ray": ray}
    with tempfile.TemporaryDirectory() as folder:
        needs = {name: (Needs(packages=("ray",) if name == "ray" else ()), name) for name in sys.argv[1:] or parts}
        for name in possible(needs):
            parts[name](Path(folder))


if __name__ == "__main__":
    main()
