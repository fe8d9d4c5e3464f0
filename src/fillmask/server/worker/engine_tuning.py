"""Finds the fastest engine for the texts that clients send, once there are enough of them.

The service starts with the engine that needs no measurement. The first thousand
masks that clients send are then measured in a process of its own, and if
another engine or precision keeps float32's answers and is faster, the model
processes are replaced one by one. A service that sees fewer masks never
measures: the seconds would not be repaid.
"""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fillmask.server import logs
from fillmask.server.worker.measure_engines import MeasurementRequest
from fillmask.server.worker.replicas import worker_environment
from fillmask.tokenization.masked_input import MaskedInput

MEASURED_MASKS = 1_000
_MEASURE_SECONDS = 600.0
_COMMAND = (sys.executable, "-P", "-m", "fillmask.server.worker.measure_engines")


class EngineTuning:
    """Collects texts, measures once, and switches.

    Args:
        model: arguments of the model, as for `MaskedLM`.
        switch: called with changed arguments of the model.
    """

    def __init__(self, model: dict[str, Any], switch: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        self._model = model
        self._switch = switch
        self._items: list[MaskedInput] = []
        self._masks = 0
        self._is_open = "auto" in (model["engine"], model["precision"])
        self._task: asyncio.Task[None] | None = None

    def observe(self, items: Sequence[MaskedInput]) -> None:
        """Keep texts that clients sent, until there are enough to measure on."""
        if not self._is_open:
            return
        self._items += items
        self._masks += sum(len(item.positions) for item in items)
        if self._masks >= MEASURED_MASKS:
            self._is_open = False
            self._task = asyncio.get_running_loop().create_task(self._tune())

    async def close(self) -> None:
        """Stop measuring."""
        self._is_open = False
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _tune(self) -> None:
        request = MeasurementRequest(**self._model, items=self._items)
        self._items = []
        try:
            selection = await _measure(request)
        except (OSError, ValueError, TimeoutError) as error:
            logs.event("engines not measured", level=logging.WARNING, reason=str(error) or type(error).__name__)
            return
        logs.event("engines measured", **{name: selection[name] for name in ("engine", "precision", "reason")})
        fastest = {"engine": selection["engine"], "precision": selection["precision"]}
        await self._switch(self._model | fastest)


async def _measure(request: MeasurementRequest) -> dict[str, Any]:
    """The selection of `select_for_throughput`, from a process of its own.

    Raises:
        ValueError: the process failed; its message stands in the server's log.
        TimeoutError: it takes too long.
    """
    process = await asyncio.create_subprocess_exec(
        *_COMMAND, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=worker_environment()
    )
    try:
        async with asyncio.timeout(_MEASURE_SECONDS):
            output, _ = await process.communicate(pickle.dumps(request, protocol=5))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise ValueError(f"the measurement ended with exit code {process.returncode}")
    selection: dict[str, Any] = json.loads(output)
    return selection
