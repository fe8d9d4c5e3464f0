"""Files that are there whole or not at all, and what to say when they cannot be written."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path


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
        sync_folder(path.parent)
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


def sync_folder(folder: Path) -> None:
    """Put the names of a folder on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
