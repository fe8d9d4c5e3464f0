"""The public names, exactly."""

import subprocess
import sys

import fillmask


def test_public_names() -> None:
    assert fillmask.__all__ == [
        "CheckpointError",
        "CheckpointNotFoundError",
        "CorpusError",
        "CorruptCheckpointError",
        "FillMask",
        "FillMaskError",
        "FillMaskWarning",
        "InputError",
        "MissingExtraError",
        "NoMaskError",
        "NotationError",
        "Score",
        "TargetsError",
        "TextTooLongError",
        "TrainingError",
        "UnsupportedModelError",
        "WordScore",
        "__version__",
        "pipeline",
    ]
    assert all(hasattr(fillmask, name) for name in fillmask.__all__)


def test_the_exception_tree_is_the_one_drawn() -> None:
    from fillmask import errors

    drawn = {line.split("── ")[1].split()[0] for line in (errors.__doc__ or "").splitlines() if "── " in line}
    defined = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert drawn == defined - {"FillMaskError", "FillMaskWarning"}


def test_import_is_light() -> None:
    """Neither torch nor what only building a graph or drawing needs is imported with the package."""
    code = "import sys, fillmask; print([m for m in ('torch', 'transformers', 'onnx', 'rich', 'click') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_help_loads_no_model_code() -> None:
    script = "import sys; from fillmask.cli import run; run(['--help']); print(*sys.modules, file=sys.stderr)"
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(finished.stderr.split())
    assert "fillmask.errors" in loaded
    assert not loaded & {
        "numpy",
        "tokenizers",
        "onnxruntime",
        "regex",
        "rich",
        "fillmask.pipelines",
        "fillmask.runtime",
    }
    assert set(dir(fillmask)) >= set(fillmask.__all__)
