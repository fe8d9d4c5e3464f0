"""Atomic writes: a file has either its old content or its new content, never a part of one.

The content goes to a temporary file in the same folder, to the disk, and then takes the file's name. Knows files, not
what is in them.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from fillmask.data.remote import RemotePath

TEMPORARY = ".part"  # ends the name of a file that is being written

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the quota is used up; free some space",
    errno.EFBIG: "the file may not be as large as that (ulimit -f)",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission is denied",
}


@contextlib.contextmanager
def open_atomically(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file for writing; it replaces `path` when the block ends without an error.

    A link stays a link, an existing file keeps its permissions, and a device or a pipe is written to directly.

    Raises:
        OSError: the file cannot be written; the old content is still there.
    """
    if path.exists() and not path.is_file():
        with open(path, "wb") as out:
            yield out
        return
    target = path.resolve()
    # A name of its own for each writer: several machines may write the same file of a shared folder.
    temporary = target.with_name(f".{target.name}.{os.urandom(4).hex()}{TEMPORARY}")
    try:
        with open(temporary, "xb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        with contextlib.suppress(FileNotFoundError):
            temporary.chmod(stat.S_IMODE(target.stat().st_mode))
        os.replace(temporary, target)
        sync_folder(target.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise write_error(error, path) from error
        raise


def write_bytes(path: Path | RemotePath, data: bytes) -> None:
    """Replace the content of `path` atomically; a store does so by itself.

    Raises:
        OSError: the file cannot be written; the old content is still there.
    """
    if not isinstance(path, Path):
        path.write_bytes(data)
        return
    with open_atomically(path) as out:
        out.write(data)


def write_text(path: Path, text: str) -> None:
    """Replace the content of `path` with `text` in UTF-8, atomically; lone surrogates become question marks.

    Raises:
        OSError: the file cannot be written; the old content is still there.
    """
    write_bytes(path, text.encode("utf-8", errors="replace"))


def write_error(error: OSError, path: Path | str) -> OSError:
    """The error with the file, the reason, and what to do; an error that has no number has them already."""
    if error.errno is None:
        return error
    return OSError(f"cannot write {path}: {_REASONS.get(error.errno, error.strerror or str(error))}")


def sync_folder(folder: Path) -> None:
    """Write the names in a folder to the disk, where the file system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
