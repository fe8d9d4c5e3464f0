"""Execute the notebooks of examples/notebooks and keep their outputs: `python scripts/notebooks.py [NAME…]`.

Needs nbclient and ipykernel (the extra `dev`).
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parents[1] / "examples" / "notebooks"


def execute(path: Path, *, keep: bool) -> None:
    """Run every cell of a notebook in order; with `keep`, write the outputs back.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}})
    client.execute()
    if keep:
        for cell in notebook.cells:
            cell.metadata.pop("execution", None)  # when a cell ran is no part of its result
            if cell.cell_type == "code":  # progress and warnings of a machine are no result either
                cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
        nbformat.write(notebook, path)


if __name__ == "__main__":
    for name in sys.argv[1:] or sorted(path.name for path in FOLDER.glob("*.ipynb")):
        execute(FOLDER / name, keep=True)
        print(name)
