"""Installed size: fillmask with its model, against transformers with the CPU build of torch.

    python benchmarks/install_size.py [TORCH]

Makes two fresh virtual environments in a temporary folder and adds up what
pip put there, pip itself excluded. TORCH is the requirement for torch's CPU
build, by default torch==2.13.0.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from harness import report

ROOT = Path(__file__).resolve().parents[1]


def installed_megabytes(folder: Path, *requirements: str) -> float:
    """Megabytes that installing `requirements` adds to a fresh environment."""
    venv.create(folder, with_pip=True)
    before = _bytes(folder)
    subprocess.run(
        [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-compile", *requirements], check=True
    )
    return (_bytes(folder) - before) / 1e6


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def main() -> None:
    torch = sys.argv[1] if len(sys.argv) > 1 else "torch==2.13.0"
    with tempfile.TemporaryDirectory() as folder:
        ours = installed_megabytes(Path(folder) / "fillmask", str(ROOT))
        theirs = installed_megabytes(Path(folder) / "transformers", torch, "transformers")
    rows = [
        {"install": "transformers + torch (CPU), no model", "megabytes": round(theirs), "times smaller": 1.0},
        {"install": "fillmask, with its model", "megabytes": round(ours), "times smaller": round(theirs / ours, 1)},
    ]
    report("install_size", "Installed size, pip excluded", rows)


if __name__ == "__main__":
    main()
