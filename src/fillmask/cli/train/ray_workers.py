"""A training command on a Ray cluster: the same command in every worker of Ray Train's TorchTrainer.

Ray Train places the workers, says in their environment who they are (as
`torchrun` does) and sets up torch's process group; the training code averages
gradients over it. What a training writes lies in its own folder, which all
nodes must see; when a worker dies Ray Train starts all again, a few times.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fillmask.batch.ray import connected
from fillmask.errors import FillMaskError, MissingExtraError

try:
    import ray.train
    from ray.train.torch import TorchConfig, TorchTrainer
except ImportError as missing:
    raise MissingExtraError("Ray Train", "ray") from missing


@dataclass(frozen=True)
class Workers:
    """Workers of a training.

    Attributes:
        count: workers.
        cpus: cores of each.
        gpu: whether each has a GPU of its own.
        retries: how often all are started again when one has died.
    """

    count: int = 1
    cpus: float = 1
    gpu: bool = False
    retries: int = 3


def run(arguments: Sequence[str], address: str, workers: Workers, storage: Path) -> int:
    """Run `fillmask` with these arguments in every worker.

    Args:
        arguments: of a training command, without those that ask for Ray.
        address: of the cluster, as for `cluster.run_on_ray`.
        storage: folder for Ray Train's own notes, which all nodes see.

    Returns:
        The exit code of the command.

    Raises:
        FillMaskError: the cluster cannot be reached, or the command failed in a worker.
    """
    trainer = TorchTrainer(
        _train,
        train_loop_config={"arguments": list(arguments), "folder": str(Path.cwd())},
        torch_config=TorchConfig(backend="nccl" if workers.gpu else "gloo"),
        scaling_config=ray.train.ScalingConfig(
            num_workers=workers.count, use_gpu=workers.gpu, resources_per_worker={"CPU": workers.cpus}
        ),
        run_config=ray.train.RunConfig(
            name="fillmask-train",
            storage_path=str(storage.absolute()),
            failure_config=ray.train.FailureConfig(max_failures=workers.retries),
        ),
    )
    with connected(address):
        try:
            trainer.fit()
        except Exception as error:
            raise FillMaskError(f"training on Ray failed: {str(error).strip().splitlines()[-1]}") from error
    return 0


def _train(config: dict[str, Any]) -> None:
    from fillmask.cli import run as command

    if Path(config["folder"]).is_dir():
        os.chdir(config["folder"])  # what relative paths of the command are meant from
    code = command(config["arguments"])
    if code not in (0, 3):  # 3: done, and some rows of the corpus were of no use
        raise FillMaskError(f"the command ended with exit code {code} in a worker; its reason is in the worker's log")
