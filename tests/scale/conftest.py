"""Batch jobs with Parquet and Ray: a model and inputs for them, and a cluster of this machine alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow")

from fillmask.scale.inputs import find
from fillmask.scale.job import Job
from fillmask.scale.tasks import ModelOptions, TaskOptions


@pytest.fixture
def job(modernbert_folder: Path, tmp_path: Path) -> Callable[..., Job]:
    """A job on the tiny model; the output is `tmp_path / output`."""

    def make(*inputs: Path, output: str = "out", task: str = "fill", parameters: Any = None, **more: Any) -> Job:
        options = TaskOptions(task, parameters or {}, ModelOptions(str(modernbert_folder), threads=2))
        return Job(find([str(path) for path in inputs]), tmp_path / output, options, **more)

    return make
