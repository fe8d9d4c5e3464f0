"""The wheel and the sdist: their contents, their size, and a wheel that runs offline without the checkout."""

import os
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

pytest.importorskip("build", reason="needs fillmask[dev]")
pytest.importorskip("hatchling", reason="needs fillmask[dev]")

ROOT = Path(__file__).resolve().parents[2]
MOST_BYTES = 60_000_000


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel and the sdist, built from the checkout without the network."""
    folder = tmp_path_factory.mktemp("dist")
    command = [
        sys.executable,
        "-m",
        "build",
        "--no-isolation",
        "--wheel",
        "--sdist",
        "--outdir",
        str(folder),
        str(ROOT),
    ]
    subprocess.run(command, check=True, capture_output=True)
    return next(folder.glob("*.whl")), next(folder.glob("*.tar.gz"))


def test_the_wheel_holds_the_package_and_nothing_else(distributions: tuple[Path, Path]) -> None:
    wheel, _ = distributions
    names = set(zipfile.ZipFile(wheel).namelist())
    source = {
        path.relative_to(ROOT / "src").as_posix()
        for path in (ROOT / "src" / "fillmask").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in names if not name.partition("/")[0].endswith(".dist-info")} == source
    assert "fillmask/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_wheel_says_what_it_is(distributions: tuple[Path, Path]) -> None:
    archive = zipfile.ZipFile(distributions[0])
    name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = Parser().parsestr(archive.read(name).decode())
    assert metadata["Name"] == "fillmask"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata.get_all("Project-URL")
    required = [line for line in metadata.get_all("Requires-Dist") or [] if "extra ==" not in line]
    assert not [line for line in required if line.startswith(("torch", "transformers", "openvino"))]


def test_the_sdist_builds_without_what_git_ignores(distributions: tuple[Path, Path]) -> None:
    _, sdist = distributions
    with tarfile.open(sdist) as archive:
        members = archive.getnames()
    names = [name.partition("/")[2] for name in members]
    assert {"pyproject.toml", "README.md", "LICENSE", "CITATION.cff", "SECURITY.md", "Makefile"} <= set(names)
    top = {name.partition("/")[0] for name in names}
    assert not top & {".venv", ".venv-train", "runs", "dist", "shared", "training-state"}


def test_both_are_small(distributions: tuple[Path, Path]) -> None:
    for path in distributions:
        assert path.stat().st_size <= MOST_BYTES, f"{path.name} has {path.stat().st_size:,} bytes"


def test_the_wheel_runs_offline(distributions: tuple[Path, Path], tmp_path: Path) -> None:
    target = tmp_path / "site"
    with zipfile.ZipFile(distributions[0]) as archive:
        archive.extractall(target)
    environment = {
        **os.environ,
        "PYTHONPATH": str(target),
        "HF_HUB_OFFLINE": "1",
        "FILLMASK_CACHE": str(tmp_path / "cache"),
    }
    script = "import fillmask, sys; print(fillmask.__file__); sys.exit(0)"
    origin = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert origin.stdout.startswith(str(target))
    command = [sys.executable, "-m", "fillmask", "fill", "--json", "I am <mask> to the bakery"]
    result = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "token_str" in result.stdout
