"""What the documents say is so."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def test_the_readme_tour_runs() -> None:
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert blocks
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)


@pytest.mark.parametrize("name", ["index.md", "tutorials/fill.md", "tutorials/restore.md", "tutorials/correct.md"])
def test_the_tutorials_run(name: str) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / name).read_text("utf-8"), re.DOTALL)
    assert blocks
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, name, "exec"), names)


def test_the_tables_are_the_committed_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    readme = _module("benchmarks/readme.py")
    sys.modules.pop("harness", None)
    for document in readme.DOCUMENTS:
        text = document.read_text("utf-8")
        assert readme.rendered(text) == text, "run: python benchmarks/readme.py"


def test_the_commands_page_is_their_help() -> None:
    # In a process of its own: click keeps how a command was first asked for help.
    script = "import runpy; print(runpy.run_path('scripts/reference.py')['rendered'](), end='')"
    found = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    page = (ROOT / "docs" / "reference" / "commands.md").read_text("utf-8")
    assert page == found.stdout, "run: python scripts/reference.py"


def _module(path: str) -> Any:
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_links_lead_somewhere() -> None:
    for document in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for link in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", document.read_text("utf-8")):
            assert (document.parent / link).exists(), f"{document.name}: {link}"


def test_every_setting_is_documented() -> None:
    source = "".join(path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py"))
    settings = set(re.findall(r"(?<!_)FILLMASK_[A-Z][A-Z_]*[A-Z]", source))
    assert settings
    guide = ROOT / "docs" / "guide"
    documents = (guide / "settings.md").read_text("utf-8") + (guide / "serving.md").read_text("utf-8")
    assert settings <= set(re.findall(r"FILLMASK_[A-Z][A-Z_]*[A-Z]", documents))


def test_the_readme_names_real_make_targets() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"make ([a-z]+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
