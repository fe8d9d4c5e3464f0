"""Training in several processes: ranks, joining, and waiting.

`torchrun`, `accelerate launch` and MPI each say it through the environment;
without them there is one process. Gradients are averaged by torch's own
DistributedDataParallel, over gloo on CPUs and NCCL on GPUs.

torch is imported when there is something to do: who this process is matters
before, to what is shown.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from fillmask.errors import TrainingError

# torchrun, and accelerate on GPUs, set the first of each; mpirun, which
# accelerate starts on CPUs, sets one of the others (MPICH and Intel, Open MPI).
_RANK = ("RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK")
_COUNT = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE")
_LOCAL = ("LOCAL_RANK", "MPI_LOCALRANKID", "OMPI_COMM_WORLD_LOCAL_RANK")


@dataclass(frozen=True)
class Processes:
    """The rank of this process and the number of processes."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def wait(self) -> None:
        """Blocks until every process has reached this point."""
        if self.count > 1:
            import torch.distributed as dist

            dist.barrier()


def launched() -> Processes:
    """Reads rank and number of processes from the launcher's environment variables.

    Raises:
        TrainingError: several processes were asked for, and the launcher has started one.
    """
    # `accelerate launch --cpu --num_processes 2` starts one process and does not tell it of the number: on CPUs it
    # leaves that to MPI. It would train as if nothing had been asked for.
    if "ACCELERATE_USE_CPU" in os.environ and "MASTER_ADDR" in os.environ and not _number(_COUNT, 0):
        raise TrainingError(
            "accelerate launch was asked for several processes and has started one: on CPUs it starts several with"
            " --mpirun_hostfile only; use torchrun --nproc-per-node N -m fillmask.cli train ..., or accelerate launch"
            " --multi_gpu --num_processes N -m fillmask.cli train ... --device cpu"
        )
    return Processes(_number(_RANK, 0), _number(_COUNT, 1))


def join(device: str) -> tuple[Processes, str]:
    """Joins the process group, if there is one, and selects this process's device.

    Raises:
        TrainingError: several processes were asked for, and the launcher has started one.
    """
    processes = launched()
    if processes.count == 1:
        return processes, device
    import torch
    import torch.distributed as dist

    if device.startswith("cuda"):
        local = _number(_LOCAL, 0)
        device = f"cuda:{local}"
        torch.cuda.set_device(local)
    if not dist.is_initialized():
        backend = "nccl" if device.startswith("cuda") else "gloo"
        dist.init_process_group(backend, rank=processes.rank, world_size=processes.count)
    return processes, device


def leave() -> None:
    """Leaves the process group."""
    import torch.distributed as dist

    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def _number(names: tuple[str, ...], otherwise: int) -> int:
    return next((int(os.environ[name]) for name in names if name in os.environ), otherwise)
