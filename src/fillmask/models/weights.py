"""The tensors of a safetensors checkpoint, memory-mapped.

This module knows names, shapes, and bytes. It does not know what a tensor is for. The `safetensors` library checks the
header of each file. The arrays are mapped here, because its reader for numpy copies each tensor and lacks bfloat16.
"""

from __future__ import annotations

import json
import mmap
import re
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from fillmask.errors import CheckpointNotFoundError, CorruptCheckpointError

Array = npt.NDArray[np.generic]
Floats = npt.NDArray[np.float32]

# bfloat16 is read as its 16 bits and widened to float32 by `Weights.floats`.
_DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U8": "u1",
    "BOOL": "?",
}
_RELEASE_SECONDS = 0.001  # between two releases of pages; a processor reads some ten megabytes in that time
_SLICE = re.compile(r"(?P<name>.+)\[(?P<start>\d+):(?P<stop>\d+)\]")


@dataclass(frozen=True)
class _Entry:
    dtype: str
    shape: tuple[int, ...]
    buffer: mmap.mmap
    offset: int


class Weights:
    """Named tensors of one or several safetensors files.

    Raises:
        CheckpointNotFoundError: a file or shard is missing.
        CorruptCheckpointError: a file is truncated, or its header lies.
    """

    def __init__(self, files: list[Path]) -> None:
        self._entries: dict[str, _Entry] = {}
        for path in files:
            self._open(path)

    @classmethod
    def of_folder(cls, folder: Path) -> Weights:
        """`model.safetensors`, or the shards that `model.safetensors.index.json` names."""
        index = folder / "model.safetensors.index.json"
        single = folder / "model.safetensors"
        if single.exists() or not index.exists():
            return cls([single])
        try:
            names = sorted(set(json.loads(index.read_text("utf-8"))["weight_map"].values()))
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise CorruptCheckpointError(
                f"{index} is not a safetensors index: expected JSON with a weight_map; download it again"
            ) from error
        if any(Path(name).name != name for name in names):
            raise CorruptCheckpointError(f"{index} names a shard outside its folder; expected plain file names")
        return cls([folder / name for name in names])

    def _open(self, path: Path) -> None:
        try:
            with safe_open(path, framework="np"):
                pass
            with open(path, "rb") as file:
                # Private to this process: nothing is written, and OpenVINO takes no read-only memory.
                buffer = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        except FileNotFoundError as error:
            raise CheckpointNotFoundError(f"{path} is missing; expected the weights there") from error
        except (SafetensorError, ValueError, OSError) as error:
            raise CorruptCheckpointError(
                f"{path} is not a complete safetensors file ({error}); download it again"
            ) from error
        (length,) = struct.unpack("<Q", buffer[:8])
        for name, entry in json.loads(buffer[8 : 8 + length]).items():
            if name != "__metadata__":
                self._entries[name] = _Entry(
                    entry["dtype"], tuple(entry["shape"]), buffer, 8 + length + entry["data_offsets"][0]
                )

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor."""
        return self._entries[name].shape

    def layout(self) -> list[tuple[str, str, tuple[int, ...]]]:
        """Name, dtype, and shape of each tensor, sorted: everything about the weights that a graph depends on."""
        return sorted((name, e.dtype, e.shape) for name, e in self._entries.items())

    @property
    def parameters(self) -> int:
        """How many numbers the files hold."""
        return sum(int(np.prod(e.shape)) for e in self._entries.values())

    @contextmanager
    def passing_through(self) -> Iterator[None]:
        """Release the pages of the files as they are read, while an engine copies and repacks the weights.

        Otherwise the files count to the memory of the process beside the copies, though nothing reads them again. A
        page that is read a second time comes from the system's cache.
        """
        buffers = list({id(e.buffer): e.buffer for e in self._entries.values()}.values())
        finished = threading.Event()

        def release() -> None:
            for buffer in buffers:
                buffer.madvise(mmap.MADV_DONTNEED)

        def keep_releasing() -> None:
            while not finished.wait(_RELEASE_SECONDS):
                release()

        if not hasattr(mmap, "MADV_DONTNEED"):  # not a Unix; the system takes the pages back when it needs them
            yield
            return
        helper = threading.Thread(target=keep_releasing, name="fillmask-weights", daemon=True)
        helper.start()
        try:
            yield
        finally:
            finished.set()
            helper.join()
            release()

    def array(self, name: str) -> Array:
        """The tensor as it is stored (bfloat16 as uint16), read-only and not copied."""
        entry = self._entries[name]
        try:
            dtype = np.dtype(_DTYPES[entry.dtype])
        except KeyError:
            raise CorruptCheckpointError(
                f"tensor {name} has dtype {entry.dtype}; expected one of {', '.join(_DTYPES)}"
            ) from None
        count = int(np.prod(entry.shape))
        array = np.frombuffer(entry.buffer, dtype, count, entry.offset).reshape(entry.shape)
        array.flags.writeable = False
        return array

    def floats(self, reference: str) -> Floats:
        """The tensor in float32; a view of the file where it is stored so.

        Args:
            reference: `name`, or `name[start:stop]` for some of its rows.
        """
        match = _SLICE.fullmatch(reference)
        name = match["name"] if match else reference
        stored = self.array(name)
        if match:
            stored = stored[int(match["start"]) : int(match["stop"])]
        if self._entries[name].dtype == "BF16":
            return (stored.astype(np.uint32) << 16).view(np.float32)
        return stored.astype(np.float32, copy=False)
