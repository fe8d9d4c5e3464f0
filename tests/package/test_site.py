"""The documentation site: it builds without a warning, so every link and every documented name is there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mkdocs", reason="needs fillmask[docs]")
pytest.importorskip("mkdocstrings", reason="needs fillmask[docs]")

ROOT = Path(__file__).resolve().parents[2]


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    start = (tmp_path / "site" / "index.html").read_text("utf-8")
    assert "<h1" in start
    loaded = [part.split('"')[0] for part in start.split('src="')[1:] + start.split('rel="stylesheet" href="')[1:]]
    assert not [address for address in loaded if address.startswith(("http:", "https:", "//"))]
    assert "FillMask" in (tmp_path / "site" / "reference" / "python" / "index.html").read_text("utf-8")
