"""The state that an interrupted training continues from, and its curve, in one folder.

`state.pt` is written whole or not at all, and is taken up only by a run of the
same recipe. `curve.jsonl` has a record of each report, with its `step`; what
was logged after the last state is dropped when a run goes on from that state.
torch is imported when a state is written or read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fillmask.data.atomic import open_atomically, write_text
from fillmask.errors import TrainingError

WORK = "training"  # what only the training needs, within the checkpoint's folder
CURVE = "curve.jsonl"
STATE = "state.pt"
_AGAIN = "make room and run the same command again: it goes on from the last state"
_DIGESTS = {"examples": "examples", "validation": "validation examples"}  # values of a recipe that are digests alone


def write_state(folder: Path, state: Mapping[str, Any]) -> None:
    """Writes `folder/state.pt` atomically.

    Args:
        state: tensors and plain values; its "recipe" is what `read_state` compares.

    Raises:
        TrainingError: it cannot be written.
    """
    import torch

    path = folder / STATE
    try:
        with open_atomically(path) as out:
            torch.save(dict(state), out)
    except RuntimeError as error:  # torch's, where the disk is full
        raise TrainingError(f"cannot write {path}: {str(error).splitlines()[0]}; {_AGAIN}") from error
    except OSError as error:
        raise TrainingError(f"{error}; {_AGAIN}") from error


def read_state(
    folder: Path, device: str, recipe: Mapping[str, Any], made_of: Mapping[str, Any] | None = None
) -> dict[str, Any] | None:
    """Reads the state in the folder, with its tensors on `device`, or returns None.

    Args:
        recipe: what the saved run must have in common with this one, as JSON has it.
        made_of: the same of its text and its models, where that is no part of the recipe. `{"name", "digest"}` stands
            for contents: they are the same by their digest, whatever they are called.

    Raises:
        TrainingError: the saved run was another, or its state is damaged.
    """
    path = folder / STATE
    if not path.exists():
        return None
    import torch

    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # torch raises several kinds for a file that is cut short
        raise TrainingError(
            f"{path} cannot be read ({str(error).splitlines()[0]:.100}); delete it to start anew"
        ) from error
    saved = state["recipe"]
    different = [
        (name, saved[name], expected) for name, expected in recipe.items() if saved.get(name, expected) != expected
    ]
    if made_of is not None:
        if "made_of" not in state:
            raise TrainingError(
                f"{path} does not say of which text and model it is: an earlier version of fillmask wrote it, and nobody"
                " can tell whether this training is the same; use another folder, or delete it to start anew"
            )
        saved_parts = state["made_of"]
        for name in {**made_of, **saved_parts}:
            if _content(saved_parts.get(name)) != _content(made_of.get(name)):
                different.append((name, saved_parts.get(name), made_of.get(name)))
    if different:
        listed = ", and ".join(_differs(*difference) for difference in different)
        raise TrainingError(f"{path} was trained with {listed}; use another folder, or delete it to start anew")
    return state


def _content(value: Any) -> Any:
    return value["digest"] if isinstance(value, dict) and "digest" in value else value


def _differs(name: str, there: Any, expected: Any) -> str:
    if name in _DIGESTS and isinstance(there, str):
        return f"other {_DIGESTS[name]} than those of this command"
    return f"{name}={_shown(there)}, not {_shown(expected)}"


def _shown(value: Any) -> str:
    if isinstance(value, dict) and "digest" in value:
        return f"{value['name']} ({value['digest'][:8]})"
    return "none" if value is None else str(value)


def drop_state(folder: Path) -> None:
    """Deletes the state of a finished run that can't be continued."""
    (folder / STATE).unlink(missing_ok=True)


def log(folder: Path, record: Mapping[str, Any]) -> None:
    """Appends a record, which has a `step`, to the curve."""
    with open(folder / CURVE, "a", encoding="utf-8") as out:
        out.write(json.dumps(record) + "\n")


def cut_curve(folder: Path, step: int) -> None:
    """Drops the records after `step`, the step of the last saved state."""
    path = folder / CURVE
    if not path.exists():
        return
    kept_lines = []
    for line in path.read_text("utf-8").splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept_lines.append(line)
        except (ValueError, KeyError):
            continue  # the line that was being written
    write_text(path, "".join(f"{line}\n" for line in kept_lines))
