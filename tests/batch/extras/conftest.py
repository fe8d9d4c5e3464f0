"""Batch jobs with Parquet and Ray: a model and inputs for them, and a cluster of this machine alone."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow")

from fillmask.batch.job import BatchJob
from fillmask.batch.tasks import ModelOptions, TaskOptions
from fillmask.data.files import find_files


@pytest.fixture
def job(modernbert_folder: Path, tmp_path: Path) -> Callable[..., BatchJob]:
    """A job on the tiny model; the output is `tmp_path / output`."""

    def make(*inputs: Path, output: str = "out", task: str = "fill", parameters: Any = None, **more: Any) -> BatchJob:
        options = TaskOptions(task, parameters or {}, ModelOptions(str(modernbert_folder), threads=2))
        return BatchJob(find_files([str(path) for path in inputs]), tmp_path / output, options, **more)

    return make


@pytest.fixture(scope="session")
def cluster(_own_cache: None) -> Iterator[object]:
    """A head with a core that this process belongs to; nothing listens beyond this machine, nothing is sent out."""
    ray = pytest.importorskip("ray", reason="needs fillmask[ray]")
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")
        # A node that is gone should be missed within the test.
        patch.setenv("RAY_health_check_period_ms", "500")
        patch.setenv("RAY_health_check_failure_threshold", "2")
        patch.setenv("RAY_health_check_initial_delay_ms", "500")
        head = {"num_cpus": 1, "object_store_memory": 200 << 20, "include_dashboard": False}
        made = Cluster(initialize_head=True, head_node_args=head, connect=False)
        ray.init(address=made.address, log_to_driver=False, logging_level="error")
        try:
            yield made
        finally:
            ray.shutdown()
            made.shutdown()
