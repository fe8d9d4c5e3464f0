"""Structured logs on stderr: one JSON object a line, or a short line for a person at a terminal."""

from __future__ import annotations

import atexit
import contextlib
import datetime
import json
import logging
import logging.handlers
import queue
import sys
from typing import Any

_NAME = "fillmask.server"
_BEHIND = 10_000


def set_up(level: str, form: str) -> None:
    """Write events from `level` up, as "json" or "text"; "auto" is text on a terminal."""
    if form == "auto":
        form = "text" if sys.stderr.isatty() else "json"
    writer = logging.StreamHandler()
    writer.setFormatter(_Json() if form == "json" else _Text())
    handler = _Behind(queue.Queue(_BEHIND))
    listener = logging.handlers.QueueListener(handler.queue, writer)
    listener.start()
    atexit.register(listener.stop)  # writes what is left
    for name in (_NAME, "uvicorn", "uvicorn.error", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(level.upper() if name == _NAME else logging.WARNING)


def event(name: str, *, level: int = logging.INFO, error: BaseException | None = None, **values: Any) -> None:
    """Log what happened, with its values."""
    logger = logging.getLogger(_NAME)
    if logger.isEnabledFor(level):
        logger.log(level, name, extra={"values": values}, exc_info=error)


class _Behind(logging.handlers.QueueHandler):
    """Leaves the writing to a thread: who reads the log slowly must not stop the service. Beyond `_BEHIND` lines are lost."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(queue.Full):
            self.queue.put_nowait(record)


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        when = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        entry: dict[str, Any] = {
            "time": when.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "values", {}),
        }
        if record.exc_info and record.exc_info[0]:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        when = datetime.datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        values = " ".join(f"{key}={value}" for key, value in getattr(record, "values", {}).items())
        line = f"{when} {record.levelname.lower():7} {record.getMessage()} {values}".rstrip()
        # One line an event, whatever a value holds.
        line = line.replace("\n", "\\n").replace("\r", "\\r").replace("\x1b", "\\x1b")
        if record.exc_info and record.exc_info[0]:
            line += "\n" + self.formatException(record.exc_info)
        return line
