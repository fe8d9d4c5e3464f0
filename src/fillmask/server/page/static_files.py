"""Static files, read once: a request names one of them or nothing, and never reaches the disk."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent.parent
# What the page shares with the report of a restoration.
_SHARED = [_FOLDER.parent / "restore" / "editions" / name for name in ("edition.css", "edition.js")]
_KINDS = {
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".webmanifest": "application/manifest+json",
}
_FALLBACK = b"""<!doctype html><html lang="en"><meta charset="utf-8"><title>fillmask</title><link rel="icon" href="data:,">
<h1>fillmask</h1><p>The service is running. Its interface is described at <a href="/docs">/docs</a>.</p></html>
"""


@dataclass(frozen=True)
class StaticFile:
    """A file as it is sent.

    Attributes:
        packed: the content in gzip.
        etag: of the content; that of `packed` is another.
    """

    content: bytes
    packed: bytes
    content_type: str
    etag: str


def read_static_files() -> dict[str, StaticFile]:
    """Path of a request to file: those of `page` under `/`, those of `docs_page` under `/docs`."""
    files = {"/": _page(_FALLBACK, "text/html; charset=utf-8")}
    for path in _SHARED:
        files[f"/{path.name}"] = _of_file(path)
    for folder, prefix in ((_FOLDER / "page", ""), (_FOLDER / "docs_page", "/docs")):
        for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
            if not path.is_file() or path.suffix in (".py", ".pyc", ".md"):
                continue
            if path == folder / "index.html":
                files[prefix or "/"] = _of_file(path)
            if path != folder / "index.html" or not prefix:
                files[f"{prefix}/{path.relative_to(folder).as_posix()}"] = _of_file(path)
    return files


def _of_file(path: Path) -> StaticFile:
    kind = _KINDS.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return _page(path.read_bytes(), f"{kind}; charset=utf-8" if kind.startswith("text/") else kind)


def _page(content: bytes, kind: str) -> StaticFile:
    return StaticFile(content, gzip.compress(content, mtime=0), kind, f'"{hashlib.sha256(content).hexdigest()[:24]}"')
