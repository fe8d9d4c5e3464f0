"""Messages between the server and a model process, over the pipes by which the one started the other.

A frame is its length and a pickled message. Both ends are this program, and
nobody else holds the pipes; what clients send travels inside as plain texts
and numbers.
"""

from __future__ import annotations

import pickle
import struct
import threading
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from fillmask.runtime.engines import BatchBudget
from fillmask.tokenization.masked_input import MaskedInput

_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class FillRow:
    """What the model is to read for one text, or for one mask of a text longer than the model.

    Attributes:
        read: ids and positions for the model.
        ids: of the whole text.
        positions: the same masks in `ids`.
        single: whether the text has no other mask.
        top_k: answers a mask.
        targets: ids of the tokens to choose from; None for all.
    """

    read: MaskedInput
    ids: list[int]
    positions: list[int]
    single: bool
    top_k: int
    targets: npt.NDArray[np.int64] | None


@dataclass(frozen=True)
class ModelDescription:
    """What a model process serves.

    Attributes:
        tasks: names of the routes that the checkpoint can answer.
        budget: how much goes into a batch.
    """

    engine: str
    precision: str
    tasks: tuple[str, ...]
    budget: BatchBudget


# To the model process.


@dataclass(frozen=True, slots=True)
class FillBatch:
    """Fill a batch of rows."""

    number: int
    rows: list[FillRow]


@dataclass(frozen=True, slots=True)
class RunJob:
    """Score, classify or restore."""

    number: int
    task: str
    request: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CancelJob:
    """Cancels a job that nobody waits for any more."""

    number: int


@dataclass(frozen=True, slots=True)
class Ping:
    """Asks whether the process answers."""

    number: int


# From the model process.


@dataclass(frozen=True, slots=True)
class ModelReady:
    """The model is loaded."""

    description: ModelDescription


@dataclass(frozen=True, slots=True)
class ModelFailed:
    """The model cannot be loaded: starting again would not help."""

    message: str


@dataclass(frozen=True, slots=True)
class BatchRan:
    """The model has run a batch and is free; the answers are being written."""

    number: int
    seconds: float


@dataclass(frozen=True, slots=True)
class RowError:
    """Why a row or a job cannot be answered."""

    error_type: str
    message: str


@dataclass(frozen=True, slots=True)
class BatchFilled:
    """For each row a JSON list of candidates for each of its masks, or why there is none."""

    number: int
    rows: list[list[bytes] | RowError]


@dataclass(frozen=True, slots=True)
class JobProgressed:
    """How far a restoration is."""

    number: int
    settled: int
    holes: int
    forward_passes: int


@dataclass(frozen=True, slots=True)
class JobDone:
    """The JSON answer of a job."""

    number: int
    body: bytes
    seconds: float


@dataclass(frozen=True, slots=True)
class JobFailed:
    """A job cannot be answered."""

    number: int
    refusal: RowError


@dataclass(frozen=True, slots=True)
class JobCancelled:
    """A job was cancelled."""

    number: int


@dataclass(frozen=True, slots=True)
class Pong:
    """Answers a ping."""

    number: int


def encode_frame(message: object) -> bytes:
    """A message as it is written."""
    body = pickle.dumps(message, protocol=5)
    return _LENGTH.pack(len(body)) + body


class FrameReader:
    """Messages from bytes as they arrive."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Any]:
        """The messages that `data` completes."""
        self._buffer += data
        messages = []
        start = 0
        while len(self._buffer) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer, start)
            stop = start + _LENGTH.size + length
            if len(self._buffer) < stop:
                break
            messages.append(pickle.loads(self._buffer[start + _LENGTH.size : stop]))
            start = stop
        del self._buffer[:start]
        return messages


class Channel:
    """The model process's end: blocking reads, and writes from any thread."""

    def __init__(self, source: IO[bytes], sink: IO[bytes]) -> None:
        self._source = source
        self._sink = sink
        self._write_lock = threading.Lock()

    def receive(self) -> Any:
        """The next message; None when the other end is gone."""
        head = self._source.read(_LENGTH.size)
        if len(head) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack(head)
        body = self._source.read(length)
        return pickle.loads(body) if len(body) == length else None

    def send(self, message: object) -> None:
        """Write a message.

        Raises:
            BrokenPipeError: the other end is gone.
        """
        data = encode_frame(message)
        with self._write_lock:
            self._sink.write(data)
            self._sink.flush()
