"""The checkpoint folder of a fine-tuned classifier: written whole, or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

from fillmask.errors import InputError
from fillmask.models.checkpoint import Checkpoint
from fillmask.tokenization.tokenizer import Tokenizer
from fillmask.training.classifier import default_rate
from fillmask.training.reporting import PICTURE
from fillmask.training.state import WORK, drop_state

if TYPE_CHECKING:
    from fillmask.training.finetune import FinetuningResult

_PART, _OLD = ".new", ".old"  # in WORK: what is being written, and what is being replaced


def save(result: FinetuningResult, folder: Path, *, overwrite: bool = False) -> None:
    """Write the checkpoint folder: config, weights, tokenizer, metrics.json, confusion.png and a model card.

    All is written in `folder/training` first, and moved into place at the end, in place of what was there; when that
    fails, what was there is put back. `training` itself is never moved, so that the state outlives whatever happens: it
    is deleted last, as the run is over.

    Raises:
        InputError: the folder is there already, and `overwrite` is not set.
        OSError: it cannot be written; the folder is as it was.
    """
    from fillmask.tasks import plots
    from fillmask.training import classifier_card

    check_output(folder, overwrite=overwrite)
    name, work = folder.resolve().name, folder / WORK
    new_folders = [path for path in (work, folder) if not path.exists()]
    part = work / _PART
    shutil.rmtree(part, ignore_errors=True)  # of a run that was killed here
    part.mkdir(parents=True)
    try:
        try:
            result.model.save_pretrained(part)
        except SafetensorError as error:
            raise OSError(f"cannot write the weights to {folder}: {error}") from error
        _copy_tokenizer(result.checkpoint, part)
        metrics = metrics_of(result)
        (part / "metrics.json").write_text(json.dumps(metrics, indent=1, ensure_ascii=False) + "\n", "utf-8")
        title = f"{name} · {metrics['validation']['examples']:,} validation examples"
        plots.save(plots.confusion(result.best.validation.matrix, result.labels, title), part / "confusion.png")
        picture = f"{WORK}/{PICTURE}" if (work / PICTURE).exists() else None
        (part / "README.md").write_text(classifier_card.render(name, metrics, picture), "utf-8")
        _take_place(part, folder)
        drop_state(work)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        for path in new_folders:
            with suppress(OSError):
                path.rmdir()  # only where nothing was written


def _take_place(part: Path, folder: Path) -> None:
    """Replaces the contents of `folder`, except `training`, with those of `part`, all or nothing."""
    old = part.with_name(_OLD)
    shutil.rmtree(old, ignore_errors=True)
    old.mkdir()
    # A folder is a checkpoint by its config: that goes first and comes last.
    leaving = sorted((p for p in folder.iterdir() if p.name != WORK), key=lambda p: p.name != "config.json")
    coming = sorted(part.iterdir(), key=lambda p: p.name == "config.json")
    moves = [(path, old / path.name) for path in leaving] + [(path, folder / path.name) for path in coming]
    try:
        for source, target in moves:
            source.rename(target)
    except BaseException:
        for source, target in reversed(moves):
            if not os.path.lexists(source):
                target.rename(source)
        old.rmdir()
        raise
    shutil.rmtree(old, ignore_errors=True)


def check_output(folder: Path, *, overwrite: bool = False) -> None:
    """Checks before training that `folder` can be written.

    A folder with nothing but an interrupted run in it can: that run goes on.
    """
    if folder.is_symlink() and not folder.exists():
        raise InputError(f"{folder} is a link to nothing; expected the name of a folder to be made, or a link to one")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; expected the name of a folder to be made")
    is_taken = folder.is_dir() and any(path.name != WORK for path in folder.iterdir())
    if is_taken and not overwrite:
        raise InputError(f"{folder} is there already; choose another name, or overwrite it (--overwrite)")
    killed = (folder / WORK / _OLD).exists()  # as it took its place: the state is still there
    if is_taken and not killed and not (folder / "config.json").exists():
        raise InputError(f"{folder} is no checkpoint, so it is not overwritten; choose another name")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder if folder.exists() else folder.parent):
        pass


def metrics_of(result: FinetuningResult) -> dict[str, Any]:
    """Returns the training's settings and metrics as JSON values."""
    best = result.best
    return {
        "base_model": result.checkpoint.name,
        "labels": list(result.labels),
        "train": {"examples": len(result.train.examples), "labels": result.train.counts},
        "validation": best.validation.to_dict() | {"loss": best.validation_loss},
        "best_epoch": best.number,
        "epochs": [
            {
                "epoch": e.number, "loss": e.loss, "validation_loss": e.validation_loss,
                "accuracy": e.validation.accuracy, "macro_f1": e.validation.macro_f1, "seconds": round(e.seconds, 2),
            }
            for e in result.epochs
        ],
        "recipe": asdict(result.recipe) | {"lr": result.recipe.lr or default_rate(result.checkpoint)},
    }  # fmt: skip


def _copy_tokenizer(checkpoint: Checkpoint, folder: Path) -> None:
    names = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.txt", "vocab.json", "merges.txt")  # fmt: skip
    for name in names:
        if (checkpoint.folder / name).exists():
            shutil.copyfile(checkpoint.folder / name, folder / name)
    tokenizer: Tokenizer = checkpoint.tokenizer
    (folder / "tokenizer.json").write_text(tokenizer.backend.to_str(pretty=True), "utf-8")
