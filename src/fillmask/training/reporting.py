"""Reports of a training: messages, curves, plots, and the model card."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from fillmask.data.atomic import write_text
from fillmask.data.documents import BadRow
from fillmask.data.values import counted
from fillmask.errors import MissingExtraError
from fillmask.training.corpus import FileCount
from fillmask.training.state import CURVE

PICTURE = "curve.png"

_NAMED = 10  # bad rows that are shown; all are written down


class Reporter(Protocol):
    """Receives the messages and progress of a training."""

    def say(self, line: str) -> None:
        """Prints a line."""

    def progress(self, task: str, done: float, total: float | None, text: str = "") -> None:
        """Updates the progress of a task; the total is None if it isn't known."""

    def finished(self, task: str) -> None:
        """Ends the progress of a task."""


class Silent:
    """A reporter that discards everything."""

    def say(self, line: str) -> None: ...

    def progress(self, task: str, done: float, total: float | None, text: str = "") -> None: ...

    def finished(self, task: str) -> None: ...


@dataclass
class BadRows:
    """Counts unusable rows, reports the first ones, and writes all of them to a file."""

    reporter: Reporter
    rows: list[BadRow] = field(default_factory=list)

    def __call__(self, bad: BadRow) -> None:
        if bad in self.rows[-1:]:
            return
        self.rows.append(bad)
        if len(self.rows) <= _NAMED:
            self.reporter.say(f"cannot use {bad}")

    def finish(self, folder: Path) -> int:
        """Writes the rows to `folder/bad_rows.txt` and returns their number."""
        path = folder / "bad_rows.txt"
        if not self.rows:
            path.unlink(missing_ok=True)
            return 0
        path.write_text("".join(f"{bad}\n" for bad in self.rows), "utf-8")
        named = "it is" if len(self.rows) == 1 else "all are"
        self.reporter.say(f"{counted(len(self.rows), 'row')} could not be used; {named} named in {path}")
        return len(self.rows)


class Curves:
    """TensorBoard's event files and a PNG of the curves; neither is written where its library is missing.

    Args:
        folder: where `curve.jsonl` is.
        title: of the picture.
        apart: see `plots.training`.
    """

    def __init__(self, folder: Path, title: str, *, apart: bool = False) -> None:
        self._folder, self._title, self._apart = folder, title, apart
        self._writer: Any = None
        self._missing = False

    def add(self, values: Mapping[str, float], at: int) -> None:
        """Adds values by name, after `at` tokens or steps, to the TensorBoard files."""
        if self._writer is None and not self._missing:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                self._missing = True
            else:
                # What a killed run wrote after the state that this one goes on from is hidden.
                self._writer = SummaryWriter(str(self._folder / "tensorboard"), purge_step=at)
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(name, value, at)

    def close(self) -> None:
        """Flushes and closes the files."""
        if self._writer is not None:
            self._writer.close()

    def plot(self) -> None:
        """`curve.png` from `curve.jsonl`."""
        try:
            from fillmask.tasks import plots
        except MissingExtraError:
            return
        lines = (self._folder / CURVE).read_text("utf-8").splitlines()
        figure = plots.training([json.loads(line) for line in lines], self._title, apart=self._apart)
        plots.save(figure, self._folder / PICTURE)


def hardware(device: str) -> str:
    """Describes the processor or GPU in a few words."""
    import torch

    if device.startswith("cuda"):
        return torch.cuda.get_device_name(torch.device(device))
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{name}, {len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()} cores"


def card(
    title: str,
    summary: str,
    *,
    files: Sequence[FileCount],
    results: Mapping[str, Any],
    recipe: Mapping[str, Any],
    facts: Mapping[str, Any],
    mask: str,
    base_model: str | None = None,
    picture: str | None = None,
) -> str:
    """Renders a Hugging Face model card, README.md with its front matter.

    Args:
        picture: of the curves, as a path from the card.
    """
    lines = [f"# {title}", "", summary, ""]
    lines += ["```python", "from fillmask import pipeline", 'mlm = pipeline("fill-mask", model="PATH/OR/ID")']
    lines += [f'mlm("I am {mask} to the bakery")', "```", ""]
    lines += [
        "## Results",
        "",
        "| measure | value |",
        "| --- | ---: |",
        *(f"| {k} | {v} |" for k, v in results.items()),
        "",
    ]
    lines += [f"![Curves of the training]({picture})", ""] if picture else []
    lines += ["## Text", "", "| file | documents | characters | unusable rows |", "| --- | ---: | ---: | ---: |"]
    lines += [f"| {f.name} | {f.documents:,} | {f.characters:,} | {f.bad_rows:,} |" for f in files]
    lines += ["", "## Training", "", "| | |", "| --- | --- |", *(f"| {k} | {v} |" for k, v in facts.items()), ""]
    lines += ["Recipe:", "", "```json", json.dumps(recipe, indent=2), "```", ""]
    tags = ["fill-mask", "fillmask"]
    return model_card(
        "\n".join(lines), library_name="transformers", pipeline_tag="fill-mask", tags=tags, base_model=base_model
    )


def model_card(text: str, **metadata: Any) -> str:
    """A model card for the hub: the text with its metadata in front.

    Args:
        text: in Markdown.
        metadata: see `huggingface_hub.ModelCardData`; those that are None are left out.
    """
    from huggingface_hub import ModelCard, ModelCardData

    return str(ModelCard(f"---\n{ModelCardData(**metadata).to_yaml()}\n---\n\n{text}"))


def write(path: Path, text: str) -> None:
    """Writes a text file atomically."""
    write_text(path, text)
