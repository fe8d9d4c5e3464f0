"""Keep the engines' libraries from sending anything.

onnxruntime and OpenVINO each write an id under the home folder and report usage to their makers when they are imported.
Import this module's names before either of them. Whoever wants the reports sets `ORT_DISABLE_TELEMETRY=0` for
onnxruntime; OpenVINO's go on if a program imports openvino before fillmask.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_OPENVINO_REPORTS = "openvino_telemetry"


def silence_onnxruntime() -> None:
    """Switch the reports off for this process and those that it starts; call it before onnxruntime is imported.

    Where a program has imported onnxruntime already, only what it would report from now on is stopped.
    """
    setting = os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    onnxruntime = sys.modules.get("onnxruntime")
    if onnxruntime is not None and setting == "1":
        onnxruntime.disable_telemetry_events()


@contextmanager
def silent_openvino() -> Iterator[None]:
    """While openvino is imported inside the block, it finds no package to report with and takes its own stand-in."""
    if _OPENVINO_REPORTS in sys.modules:  # the program's own choice
        yield
        return
    sys.modules[_OPENVINO_REPORTS] = None  # type: ignore[assignment]  # an import of it raises ImportError
    try:
        yield
    finally:
        del sys.modules[_OPENVINO_REPORTS]
