"""A batch job: which files, which task, which folder; and what identifies it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fillmask import __version__
from fillmask.batch import tasks
from fillmask.batch.rows import ROW, RowSelection
from fillmask.batch.schema import OpenReaders
from fillmask.batch.shards import ShardPlan, plan_shards
from fillmask.batch.tasks import SHARD_ROWS, TaskOptions
from fillmask.choices import SHARD_FORMATS
from fillmask.data.files import InputFile
from fillmask.data.remote import AnyPath
from fillmask.data.text import DEFAULT, ReadOptions
from fillmask.errors import InputError


@dataclass(frozen=True)
class BatchJob:
    """A batch job.

    Attributes:
        inputs: files, all of one format.
        output: folder for the shards and the manifest; see `fillmask.data.remote.path_of`.
        options: task, parameters and model.
        format: of the shards, one of `fillmask.choices.SHARD_FORMATS`.
        shard_rows: rows of input in a shard; None for the task's default.
        text: column of the texts.
        id: column of the ids, for the rejects.
        columns: columns to carry through; None for all.
        reading: how the files are read.
    """

    inputs: tuple[InputFile, ...]
    output: AnyPath
    options: TaskOptions
    format: str = "parquet"
    shard_rows: int | None = None
    text: str = "text"
    id: str | None = None
    columns: tuple[str, ...] | None = None
    reading: ReadOptions = DEFAULT

    def __post_init__(self) -> None:
        if self.format not in SHARD_FORMATS:
            raise InputError(f"there is no format {self.format!r}; expected one of {', '.join(SHARD_FORMATS)}")
        if self.shard_rows is not None and self.shard_rows < 1:
            raise InputError(f"shard_rows is {self.shard_rows}; expected 1 or more")
        if self.output.exists() and not self.output.is_dir():
            raise InputError(f"the output {self.output} is a file; expected the name of a folder")
        if not self.inputs:
            raise InputError("there are no inputs; expected a file at least")

    @property
    def rows_a_shard(self) -> int:
        """Rows of input in a shard."""
        return self.shard_rows or SHARD_ROWS[self.options.task]

    @property
    def selection(self) -> RowSelection:
        """What is taken of each row."""
        return RowSelection(self.text, self.id, self.columns, frozenset({ROW, *tasks.columns(self.options)}))


@dataclass(frozen=True)
class PreparedJob:
    """A job whose inputs have been looked at.

    Attributes:
        job: the job.
        plan: which rows are in which shard.
        readers: those of streams, which are open.
    """

    job: BatchJob
    plan: ShardPlan
    readers: OpenReaders

    def describe(self, provenance: Mapping[str, Any]) -> dict[str, Any]:
        """What must be the same for a job to go on; it is the first line of the manifest.

        Args:
            provenance: the task's.
        """
        job = self.job
        return {
            "fillmask": __version__,
            "task": job.options.task,
            "parameters": tasks.parameters(job.options),
            **provenance,
            "format": job.format,
            "shard_rows": job.rows_a_shard,
            "text_column": job.text,
            "id_column": job.id,
            "columns": dict(self.plan.schema.types),
            **({"reading": reading} if (reading := job.reading.identity()) else {}),
            "inputs": [file.identity() for file in job.inputs],
        }

    def close(self) -> None:
        """Close the streams that were not read."""
        for reader in self.readers.values():
            reader.close()


def prepare(job: BatchJob) -> PreparedJob:
    """Look at all inputs, and make the output's folder.

    Raises:
        InputError: an input cannot be read, does not have the columns, or does not go with another one.
        OSError: the output cannot be written.
    """
    typed = job.format == "parquet"
    if typed:
        import fillmask.batch.arrow_rows  # noqa: F401  # that it is missing is reported before any work
    plan, readers = plan_shards(job.inputs, job.selection, job.rows_a_shard, job.reading, typed=typed)
    job.output.mkdir(parents=True, exist_ok=True)
    return PreparedJob(job, plan, readers)


def provenance_of(description: Mapping[str, Any]) -> str:
    """The description of a job as the JSON that each Parquet file carries: without its inputs, which the manifest lists."""
    return json.dumps({name: value for name, value in description.items() if name != "inputs"})


@dataclass(frozen=True)
class BatchProgress:
    """How far a job is.

    Attributes:
        rows: rows behind, those of earlier runs included.
        expected: how many there will be, as far as one can tell; None for stdin.
        earlier: rows of earlier runs.
        masks: masks computed in this run.
        rejected: rows rejected, those of earlier runs included.
    """

    rows: float
    expected: int | None
    earlier: int
    masks: int
    rejected: int


OnProgress = Callable[[BatchProgress], None]


@dataclass(frozen=True)
class JobSummary:
    """What a job came to.

    Attributes:
        rows: rows answered, in all runs.
        rejected: rows rejected, in all runs.
        shards: files.
        computed: rows answered in this run.
        masks: masks computed in this run.
        seconds: time from the first row to the last, in this run.
        rejects: the files that list rejected rows.
    """

    rows: int
    rejected: int
    shards: int
    computed: int
    masks: int
    seconds: float
    rejects: tuple[str, ...] = field(default=())
