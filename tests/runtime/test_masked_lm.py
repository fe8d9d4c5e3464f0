"""`MaskedLM` refuses ids that the model lacks and answers that are not numbers, whatever the task."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tiny import write_classifier
from tokenizers import Tokenizer

from fillmask import FillMask
from fillmask.errors import CorruptCheckpointError, InputError
from fillmask.runtime.masked_lm import MaskedLM
from fillmask.tasks.classify import Classifier
from fillmask.tokenization.masked_input import MaskedInput

TASKS: dict[str, Callable[[FillMask], Any]] = {
    "fill": lambda unmask: unmask("The <mask> went."),
    "score": lambda unmask: unmask.score("The old dog went."),
    "restore": lambda unmask: unmask.restore("The [...] went to the b[..]ery."),
}


def copied(folder: Path, into: Path) -> Path:
    shutil.copytree(folder, into, dirs_exist_ok=True)
    return into


def spoil(folder: Path, tensor: str, value: float) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors[tensor].reshape(-1)[5] = value
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    ("tensor", "value"),
    [("decoder.bias", np.nan), ("decoder.bias", np.inf), ("model.layers.1.mlp.Wo.weight", np.nan)],
)
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_an_answer_that_is_not_a_number_is_refused(
    task: str, tensor: str, value: float, precision: str, modernbert_folder: Path, tmp_path: Path
) -> None:
    spoil(copied(modernbert_folder, tmp_path), tensor, value)
    unmask = FillMask(tmp_path, precision=precision)
    with pytest.raises(CorruptCheckpointError, match=r"not a number \(NaN\)"):
        TASKS[task](unmask)


def test_a_classifiers_answer_that_is_not_a_number_is_refused(tmp_path: Path) -> None:
    spoil(write_classifier(tmp_path, "good", "bad", "other", seed=1), "classifier.weight", np.nan)
    with pytest.raises(CorruptCheckpointError, match=r"not a number \(NaN\)"):
        Classifier(tmp_path)("The old dog went.")


@pytest.mark.parametrize("task", TASKS)
def test_an_id_that_the_model_lacks_is_refused(task: str, modernbert_folder: Path, tmp_path: Path) -> None:
    """A tokenizer that has learned a word which the embeddings have no row for."""
    folder = copied(modernbert_folder, tmp_path)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_tokens(["went"])
    tokenizer.save(str(folder / "tokenizer.json"))
    with pytest.raises(InputError, match=r"the tokenizer gave the text id \d+, and the model has \d+ tokens"):
        TASKS[task](FillMask(folder))


def test_ids_are_checked_below_the_tasks(roberta_folder: Path) -> None:
    model = MaskedLM(roberta_folder)
    size = json.loads((roberta_folder / "config.json").read_text())["vocab_size"]
    item = MaskedInput([0, size - 1, 2], [0] * 3, [1])
    assert model.one_batch([item]).shape == (1, size)
    with pytest.raises(InputError, match=f"gave the text id {size}, and the model has {size} tokens"):
        model.one_batch([MaskedInput([0, size, 2], [0] * 3, [1])])
