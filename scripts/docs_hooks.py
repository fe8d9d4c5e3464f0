"""Hooks of mkdocs: links from the documents to files of the repository outside docs/ work on the site too."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
_LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<target>\.\./[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the plots of the benchmarks, which live beside their tables."""
    for path in sorted((ROOT / "benchmarks" / "results").glob("*.png")):
        files.append(File.generated(config, f"images/results/{path.name}", abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: MkDocsConfig, **_: Any) -> str:
    """Turn a link that leaves docs/ into one to the repository, and a plot's path into the copied plot's."""
    folder = posixpath.dirname(page.file.src_uri)

    def rewrite(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join("docs", folder, match["target"]))
        if target.startswith("docs/") or not (ROOT / target).exists():
            return match[0]
        if match["image"]:
            relative = posixpath.relpath(f"images/results/{posixpath.basename(target)}", folder or ".")
            return f"![{match['text']}]({relative})"
        kind = "tree" if (ROOT / target).is_dir() else "blob"
        return f"[{match['text']}]({config.repo_url}/{kind}/main/{target}{match['anchor'] or ''})"

    return _LINK.sub(rewrite, markdown)
