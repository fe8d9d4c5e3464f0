"""A shard as files: encoded whole in memory, then committed so that it is there or not.

A file is written under another name, flushed to the disk and renamed; the
rejects of a shard come before its answers, and both before the manifest's
line. So whatever happens a shard that the manifest names is whole.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from fillmask.scale.columns import Column, plain
from fillmask.scale.manifest import Done, part_name, rejects_name
from fillmask.scale.rows import ROW, Records, Rows

FORMATS = ("parquet", "jsonl")


def encode(rows: Rows, answers: Sequence[Column], format: str, types: Mapping[str, str], provenance: str) -> bytes:
    """The file of a shard: for each row its number, what it carried, and its answers.

    Args:
        types: of the carried columns.
        provenance: JSON that says where the answers come from; Parquet files carry it.
    """
    if format == "parquet":
        from fillmask.scale.parquet import write

        return write(rows, answers, types, provenance)
    records = rows.carried.rows if isinstance(rows.carried, Records) else rows.carried.records()  # type: ignore[attr-defined]
    names = [column.name for column in answers]
    values = zip(*(plain(column.values) for column in answers), strict=True) if answers else iter([()] * len(records))
    lines = [
        json.dumps({ROW: number, **record, **dict(zip(names, found, strict=True))}, ensure_ascii=False, default=str)
        for number, record, found in zip(rows.numbers, records, values, strict=True)
    ]
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")


def commit(folder: Path, rows: Rows, data: bytes, format: str, masks: int) -> Done:
    """Put a shard's files in their places, and say what they are.

    Raises:
        OSError: the disk is full, or cannot be written.
    """
    rejects = folder / rejects_name(rows.shard)
    if rows.rejects:
        replace(rejects, "".join(f"{reject.to_json()}\n" for reject in rows.rejects).encode())
    else:
        rejects.unlink(missing_ok=True)
    replace(folder / part_name(rows.shard, format), data)
    return Done(rows.shard, rows.count, len(rows.numbers), len(rows.rejects), masks, len(data))


def replace(path: Path, data: bytes) -> None:
    """Make `path` hold `data`, on the disk, whole or not at all.

    Raises:
        OSError: it cannot be written; what was there is still there.
    """
    # Two machines may write the same shard, when a cluster tries one again.
    part = path.with_name(f"{path.name}.{os.urandom(4).hex()}.part")
    try:
        with open(part, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        os.replace(part, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise explained(error, path) from error


def explained(error: OSError, path: Path) -> OSError:
    """The error in words that say what to do."""
    reasons = {
        errno.ENOSPC: "the disk is full; free some space",
        errno.EDQUOT: "the quota is used up; free some space",
        errno.EFBIG: "the file may not be as large as that (ulimit -f)",
        errno.EROFS: "the file system is read-only",
        errno.EACCES: "there is no permission",
    }
    what = reasons.get(error.errno or 0, error.strerror or str(error))
    return OSError(
        f"cannot write {path}: {what}. What was committed before is whole: the same command goes on from there"
    )
