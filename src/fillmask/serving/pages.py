"""Static files, read once: a request names one of them or nothing, and never reaches the disk."""

from __future__ import annotations

import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent
_KINDS = {
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".webmanifest": "application/manifest+json",
}
_FALLBACK = b"""<!doctype html><html lang="en"><meta charset="utf-8"><title>fillmask</title>
<h1>fillmask</h1><p>The service is running. Its interface is described at <a href="/docs">/docs</a>.</p></html>
"""


@dataclass(frozen=True)
class Page:
    """A file as it is sent."""

    content: bytes
    content_type: str
    etag: str


def read_pages() -> dict[str, Page]:
    """Path of a request to page: the files of `page` under `/`, those of `docs_page` under `/docs`."""
    found = {"/": _page(_FALLBACK, "text/html; charset=utf-8")}
    for folder, prefix in ((_FOLDER / "page", "/"), (_FOLDER / "docs_page", "/docs/")):
        for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
            if not path.is_file() or path.suffix in (".py", ".pyc", ".md"):
                continue
            kind = _KINDS.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            if kind.startswith("text/"):
                kind += "; charset=utf-8"
            page = _page(path.read_bytes(), kind)
            name = prefix + path.relative_to(folder).as_posix()
            found[name] = page
            if path.name == "index.html" and path.parent == folder:
                found[prefix] = page
                found[prefix.rstrip("/") or "/"] = page
    return found


def _page(content: bytes, kind: str) -> Page:
    return Page(content, kind, f'"{hashlib.sha256(content).hexdigest()[:24]}"')
