"""The notebooks run from their first cell to their last, and they keep their outputs."""

import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("nbclient", reason="needs nbclient")
pytest.importorskip("ipykernel", reason="needs ipykernel")

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("default")  # of the notebook's own machinery
def test_a_notebook_runs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "adaptation" in path.name:
        pytest.importorskip("torch", reason="needs fillmask[train]")
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    from notebooks import execute

    # Jupyter writes its runtime files to the home folder; a kernel starts with this interpreter.
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    assert sys.executable
    execute(path, keep=False)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_keeps_its_outputs(path: Path) -> None:
    cells = [cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]
    assert [cell for cell in cells if cell["outputs"]]
    assert all(cell["execution_count"] == number for number, cell in enumerate(cells, 1))
