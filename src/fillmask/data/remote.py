"""Files and folders of a store that fsspec knows (`s3://`, `gs://`, `memory://`), with the part of pathlib that is used here.

A store puts a whole object in its place or none, so that a write is atomic by itself. It has no locks, and an object cannot
be appended to: a file that grows is written anew, now and then and when it is closed.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fillmask.data.files import filesystem, is_url

_UPLOAD_SECONDS = 10.0  # between two uploads of a file that grows


class RemotePath:
    """A file or a folder of a store; it can be sent to other processes."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def __str__(self) -> str:
        return self._url

    def __truediv__(self, name: str) -> RemotePath:
        return RemotePath(f"{self._url}/{name}")

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self._url.rpartition("/")[2]

    @property
    def parent(self) -> RemotePath:
        """The folder that it is in."""
        return RemotePath(self._url.rpartition("/")[0])

    def _call(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Call a method of the file system on this path; errors of the store as OSError."""
        system, path = filesystem(self._url)
        try:
            return getattr(system, method)(path, *arguments, **options)
        except OSError:
            raise
        except Exception as error:  # each store has errors of its own
            raise OSError(f"cannot use {self._url}: {type(error).__name__}: {error}") from error

    def exists(self) -> bool:
        """Whether there is a file or a folder."""
        return bool(self._call("exists"))

    def is_dir(self) -> bool:
        """Whether it is a folder."""
        return bool(self._call("isdir"))

    def mkdir(self, *, parents: bool = True, exist_ok: bool = True) -> None:
        """Make the folder, where the store has folders."""
        self._call("makedirs", exist_ok=exist_ok)

    def size(self) -> int:
        """Bytes of the file."""
        return int(self._call("size"))

    def glob(self, pattern: str) -> Iterator[RemotePath]:
        """The files of the folder whose names match."""
        system, path = filesystem(self._url)
        for match in system.glob(f"{path}/{pattern}"):
            yield self / str(match).rpartition("/")[2]

    def unlink(self, *, missing_ok: bool = False) -> None:
        """Delete the file."""
        try:
            self._call("rm_file")
        except FileNotFoundError:
            if not missing_ok:
                raise

    def read_bytes(self) -> bytes:
        """The content of the file."""
        return bytes(self._call("cat_file"))

    def write_bytes(self, data: bytes) -> None:
        """Replace the content of the file."""
        self._call("pipe_file", data)


AnyPath = Path | RemotePath


def path_of(name: str | Path) -> AnyPath:
    """A path, or a remote path where the name is a URL."""
    return RemotePath(name) if isinstance(name, str) and is_url(name) else Path(name)


class RemoteFile(io.BytesIO):
    """A file of a store that grows: in memory, uploaded when it is flushed, at most every ten seconds, and when it is closed."""

    def __init__(self, path: RemotePath) -> None:
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            content = b""
        super().__init__(content)
        self._path = path
        self._uploaded = content
        self._time = 0.0

    def flush(self) -> None:
        """Upload the content, unless that was done a moment ago."""
        if time.monotonic() - self._time >= _UPLOAD_SECONDS:
            self.upload()

    def upload(self) -> None:
        """Upload the content if it has changed."""
        content = self.getvalue()
        if content != self._uploaded:
            self._path.write_bytes(content)
            self._uploaded, self._time = content, time.monotonic()

    def close(self) -> None:
        """Upload the content and close the file."""
        if not self.closed:
            self.upload()
        super().close()
