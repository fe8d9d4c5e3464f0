"""What job a folder holds and which of its shards are done: `_manifest.jsonl`.

The first line describes the job, and a second one, `selection`, says how its
engine and precision were decided. Each shard that was committed adds a line
with its number, rows, rejects and bytes, flushed to the disk before the next
shard begins; the last line says that the job is complete. A line that was cut
off by a crash is dropped, and its shard is done again. While a job runs it
holds a lock on the file.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import IO, Any

from fillmask.data.atomic import TEMPORARY, sync_folder, write_error
from fillmask.data.remote import AnyPath, RemoteFile, RemotePath
from fillmask.errors import InputError

NAME = "_manifest.jsonl"
_OURS = ("part-*.parquet", "part-*.jsonl", "_rejects-*.jsonl", f"*{TEMPORARY}", NAME)


@dataclass(frozen=True)
class CommittedShard:
    """A committed shard.

    Attributes:
        shard: its number.
        count: rows of the input that it covers.
        rows: rows answered.
        rejected: rows rejected; those of blank lines are neither.
        masks: masks computed.
        bytes: size of its file.
    """

    shard: int
    count: int
    rows: int
    rejected: int
    masks: int
    bytes: int


class Manifest:
    """The manifest of a folder, open and locked; use as a context."""

    def __init__(
        self,
        folder: AnyPath,
        job: Mapping[str, Any],
        done: dict[int, CommittedShard],
        file: IO[bytes],
        *,
        complete: bool,
    ) -> None:
        self.folder, self.job, self.done, self.complete = folder, job, done, complete
        self._file = file

    def add(self, done: CommittedShard) -> None:
        """Note a committed shard."""
        self._append(asdict(done))
        self.done[done.shard] = done

    def note_selection(self, selection: Mapping[str, Any]) -> None:
        """Note how engine and precision, which stand in the first line, were decided."""
        self._append({"selection": dict(selection)})

    def finish(self) -> None:
        """Note that all shards are done; what workers that were killed left half-written goes."""
        if not self.complete:
            _remove_unfinished(self.folder)
            totals = {name: sum(getattr(d, name) for d in self.done.values()) for name in ("rows", "rejected", "masks")}
            self._append({"complete": True, "shards": len(self.done), **totals})
            self.complete = True

    def _append(self, line: Mapping[str, Any]) -> None:
        end = self._file.seek(0, os.SEEK_END)
        try:
            self._file.write(json.dumps(line).encode() + b"\n")
            self._file.flush()
            if not isinstance(self._file, RemoteFile):
                os.fsync(self._file.fileno())
        except OSError as error:
            with contextlib.suppress(OSError):
                self._file.truncate(end)
            raise resumable(write_error(error, str(self.folder / NAME))) from error

    def __enter__(self) -> Manifest:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def open_manifest(folder: AnyPath, job: Mapping[str, Any], *, restart: bool = False) -> Manifest:
    """The folder's manifest, made if there is none; what is done of the same job is kept.

    Args:
        job: what must be the same for a job to go on.
        restart: throw away what is there of another run.

    Raises:
        InputError: the folder holds another job, or a job that is running.
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    file, created = _opened(path)
    locked = False
    try:
        locked = _lock(file, folder)
        _check_there(file, path)
        if restart:
            _clear(folder)
            file.truncate(0)
        _remove_unfinished(folder)
        lines = _lines(file)
        if not lines:
            _check_empty(folder)
            manifest = Manifest(folder, job, {}, file, complete=False)
            manifest._append(job)
            if not isinstance(folder, RemotePath):
                sync_folder(folder)
            return manifest
        begun_job, *rest = lines
        _check_same(folder, begun_job, job)
    except BaseException:
        # An empty file may be another job's that has not written its first line yet. Ours goes while we hold its lock, so
        # that whoever waits for that finds it gone.
        if created and locked and file.seek(0, os.SEEK_END) == 0:
            with contextlib.suppress(OSError):
                path.unlink()
        file.close()
        raise
    shards = [CommittedShard(**line) for line in rest if "shard" in line]
    suffix = job["format"]
    # A shard whose file was taken away is done again.
    done = {d.shard: d for d in shards if _size(folder / part_name(d.shard, suffix)) == d.bytes}
    complete = any("complete" in line for line in rest) and len(done) == len({d.shard for d in shards})
    return Manifest(folder, begun_job, done, file, complete=complete)


def resumable(error: OSError) -> OSError:
    """An error of writing, with what becomes of the job."""
    return OSError(f"{error}. What was committed before is whole: the same command goes on from there")


def _remove_unfinished(folder: AnyPath) -> None:
    """Remove the files that a killed process was writing.

    One that a cluster has given up for dead may be writing still: its shard is done by another, and it fails.
    """
    for part in folder.glob(f"*{TEMPORARY}"):
        part.unlink(missing_ok=True)


def read_job(folder: AnyPath) -> dict[str, Any] | None:
    """The job that a folder holds; None where there is none."""
    with contextlib.suppress(OSError):
        path = folder / NAME
        with io.BytesIO(path.read_bytes()) if isinstance(path, RemotePath) else open(path, "rb") as file:
            first = file.readline()
        if first.endswith(b"\n"):  # else a crash cut it off
            job: dict[str, Any] = _parsed(first)[0]
            return job
    return None


def part_name(shard: int, suffix: str) -> str:
    """Name of a shard's file."""
    return f"part-{shard:06d}.{suffix}"


def rejects_name(shard: int) -> str:
    """Name of the file of a shard's rejects."""
    return f"_rejects-{shard:06d}.jsonl"


def _size(path: AnyPath) -> int:
    try:
        return path.size() if isinstance(path, RemotePath) else path.stat().st_size
    except OSError:
        return -1


def _opened(path: AnyPath) -> tuple[IO[bytes], bool]:
    """The file, and whether this call made it."""
    if isinstance(path, RemotePath):
        return RemoteFile(path), False
    with contextlib.suppress(FileExistsError):
        return open(path, "x+b", buffering=0), True
    try:
        return open(path, "r+b", buffering=0), False
    except FileNotFoundError as error:
        raise _taken(path.parent) from error


def _check_there(file: IO[bytes], path: AnyPath) -> None:
    """Raise InputError if the file was deleted between its opening and its lock."""
    if isinstance(path, RemotePath):
        return
    try:
        there = os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        there = False
    if not there:
        raise _taken(path.parent)


def _taken(folder: AnyPath) -> InputError:
    return InputError(f"another job is writing to {folder}; wait for it, or choose another folder")


def _lock(file: IO[bytes], folder: AnyPath) -> bool:
    """Hold the file for this process; False where there are no locks."""
    if isinstance(file, RemoteFile):
        return False
    try:
        import fcntl
    except ImportError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise _taken(folder) from error
    except OSError:  # a file system without locks
        return False
    return True


def _lines(file: IO[bytes]) -> list[dict[str, Any]]:
    """The lines that are complete; what a crash left after them is cut off."""
    file.seek(0)
    data = file.read()
    lines = data[: data.rfind(b"\n") + 1]
    if len(lines) < len(data):
        file.truncate(len(lines))
    return _parsed(lines)


def _parsed(data: bytes) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in data.splitlines()]
    except ValueError as error:
        raise InputError(f"{NAME} is damaged ({error}); start again with --restart or in another folder") from error


def _check_same(folder: AnyPath, begun_job: Mapping[str, Any], job: Mapping[str, Any]) -> None:
    differences = list(_differences(begun_job, json.loads(json.dumps(job))))
    if differences:
        shown = "; ".join(differences[:3]) + (f"; and {len(differences) - 3} more" if len(differences) > 3 else "")
        raise InputError(
            f"{folder} holds another job: {shown}. Go on with the same, or start again with --restart, or in another folder"
        )


def _differences(begun_job: Mapping[str, Any], job: Mapping[str, Any], prefix: str = "") -> list[str]:
    differences = []
    for name in dict.fromkeys([*begun_job, *job]):
        there, here = begun_job.get(name), job.get(name)
        if isinstance(there, Mapping) and isinstance(here, Mapping):
            differences += _differences(there, here, f"{prefix}{name}.")
        elif _names(there) and _names(there) == _names(here):
            for file, file_there, file_here in zip(_names(there), there or (), here or (), strict=True):
                differences += _differences(file_there, file_here, f"{prefix}{name}.{file}.")
        elif there != here:
            differences.append(f"{prefix}{name} is {_shown(there)} there and {_shown(here)} here")
    return differences


def _names(value: Any) -> list[str]:
    """Names of the files of a list of them, so that a message says what differs of which; nothing of other values."""
    named = isinstance(value, list) and all(isinstance(file, Mapping) and "name" in file for file in value)
    return [file["name"] for file in value] if named else []


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _check_empty(folder: AnyPath) -> None:
    strangers = sorted(path.name for pattern in _OURS[:3] for path in folder.glob(pattern))
    if strangers:
        raise InputError(
            f"{folder} has {strangers[0]} and no {NAME} that it belongs to; choose another folder, or --restart to delete it"
        )


def _clear(folder: AnyPath) -> None:
    for pattern in _OURS:
        for path in folder.glob(pattern):
            if path.name != NAME:
                path.unlink()
