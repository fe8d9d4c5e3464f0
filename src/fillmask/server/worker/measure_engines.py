"""Measures engines and precisions: `python -m fillmask.server.worker.measure_engines`, which the server starts.

It reads a pickled `MeasurementRequest` from standard input, and writes the selection as one JSON object. A process of its
own, so that its memory is given back and the model process keeps answering; it has a low priority.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import sys
from dataclasses import dataclass

from fillmask.tokenization.masked_input import MaskedInput

_NICENESS = 10


@dataclass(frozen=True)
class MeasurementRequest:
    """What to measure on.

    Attributes:
        model: folder of the checkpoint.
        engine, precision, device, threads: as for `MaskedLM`; what is not "auto" stays.
        items: texts with their masks, as clients sent them.
    """

    model: str
    engine: str
    precision: str
    device: str | None
    threads: int | None
    items: list[MaskedInput]


def main() -> None:
    """Measure, and write the selection."""
    request: MeasurementRequest = pickle.load(sys.stdin.buffer)
    with contextlib.suppress(OSError, AttributeError):
        os.nice(_NICENESS)
    # What a library prints must not get into the answer.
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    from fillmask.models.checkpoint import open_checkpoint
    from fillmask.runtime.engine_selection import select_for_throughput
    from fillmask.runtime.options import RuntimeOptions

    options = RuntimeOptions(request.engine, request.precision, request.threads, request.device)
    selection = select_for_throughput(open_checkpoint(request.model), request.items, options)
    with answer:
        json.dump(selection.as_json(), answer)


if __name__ == "__main__":
    main()
