"""One helper holds every encoder to the reference: transformers' model of the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, models
from transformers import AutoModelForMaskedLM, PreTrainedConfig, PreTrainedModel
from transformers.utils.logging import disable_progress_bar

from fillmask.runtime.masked_lm import MaskedLM
from fillmask.runtime.options import RuntimeOptions
from fillmask.tokenization.masked_input import MaskedInput
from fillmask.training.tokenizer import SPECIAL_TOKENS, save_tokenizer

disable_progress_bar()


def random_model(config: PreTrainedConfig, seed: int = 0) -> PreTrainedModel:
    """A model in which every tensor moves the answers: also biases and norms, which start at 0 and 1."""
    torch.manual_seed(seed)
    model = AutoModelForMaskedLM.from_config(config, attn_implementation="eager").eval()
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if tensor.ndim == 1:
                tensor += torch.randn_like(tensor) * 0.3
            else:
                # Wide enough that probabilities are far from uniform and differ from place to place.
                tensor.copy_(torch.randn_like(tensor) * (0.4 if "embed" in name else 1.3 * tensor.shape[-1] ** -0.5))
    # A padding row that is kept at zero in training need not be zero in a checkpoint, but is in all real ones.
    return model


def save(model: PreTrainedModel, folder: Path, **options: Any) -> Path:
    """A standard checkpoint folder, with a stand-in tokenizer where ids are given and no text is read."""
    model.save_pretrained(folder, **options)
    if not (folder / "tokenizer.json").exists():
        special = {token: n for n, token in enumerate(SPECIAL_TOKENS)}
        backend = Tokenizer(models.WordLevel(special | {f"w{n}": n for n in range(5, 12)}, unk_token="<unk>"))
        save_tokenizer(backend, folder, 1 << 20)
    return folder


def random_items(
    config: PreTrainedConfig, *, rows: int = 7, longest: int = 24, masks: int = 5, pairs: bool = False, seed: int = 0
) -> list[MaskedInput]:
    """Rows of mixed lengths with one to `masks` places asked for; `pairs` gives the second half another segment."""
    rng = np.random.default_rng(seed)
    items = []
    for row in range(rows):
        length = longest if row == 0 else int(rng.integers(2, longest))
        # Ids 0 to 4 are special; the padding id inside a text would be taken for padding by some families.
        ids = rng.integers(5, config.vocab_size, length)
        places = np.sort(rng.choice(length, min(length, 1 + row % masks), replace=False))
        ids[places] = 4
        types = (np.arange(length) >= length // 2) * int(pairs)
        items.append(MaskedInput(ids.tolist(), types.tolist(), places.tolist()))
    return items


@torch.no_grad()
def reference(model: PreTrainedModel, items: list[MaskedInput], pad: int) -> list[np.ndarray]:
    """transformers' log-probabilities at the places asked for, all items in one padded batch."""
    length = max(len(item.ids) for item in items)
    ids = torch.full((len(items), length), pad)
    attention, types = torch.zeros_like(ids), torch.zeros_like(ids)
    for row, item in enumerate(items):
        ids[row, : len(item.ids)] = torch.tensor(item.ids)
        attention[row, : len(item.ids)] = 1
        types[row, : len(item.ids)] = torch.tensor(item.type_ids)
    inputs = {"input_ids": ids, "attention_mask": attention}
    if types.any():
        inputs["token_type_ids"] = types
    found = model(**inputs).logits.log_softmax(-1)
    return [found[row, item.positions].numpy() for row, item in enumerate(items)]


def assert_same(
    folder: Path,
    model: PreTrainedModel,
    items: list[MaskedInput],
    tolerance: float = 1e-4,
    *,
    alone: bool = False,
    **how: Any,
) -> None:
    """fillmask's log-probabilities for the checkpoint in `folder`, all items in one call, are the model's.

    Args:
        alone: the model is asked row by row, without padding.
    """
    ours = MaskedLM(folder, RuntimeOptions(**how))
    pad = ours.tokenizer.pad_token_id
    assert pad is not None
    batches = [[item] for item in items] if alone else [items]
    expected = [rows for batch in batches for rows in reference(model, batch, pad)]
    found = dict(ours.log_probabilities(items))
    assert sorted(found) == list(range(len(items)))
    spread = max(float(np.ptp(rows, axis=1).max()) for rows in expected)
    assert spread > 2, f"the reference is nearly uniform ({spread:.2f} nats): it would hide errors"
    for index, rows in enumerate(expected):
        np.testing.assert_allclose(found[index], rows, atol=tolerance, rtol=0, err_msg=f"row {index}")


def assert_parity(
    config: PreTrainedConfig, folder: Path, *, seed: int = 0, pairs: bool = False, tolerance: float = 1e-4, **how: Any
) -> None:
    """A random model of this config gives the same log-probabilities here and in transformers.

    Args:
        pairs: with two segments.
        how: `alone`, engine and precision.
    """
    model = random_model(config, seed)
    save(model, folder)
    longest = min(24, config.max_position_embeddings - 4)
    items = random_items(config, longest=longest, pairs=pairs, seed=seed)
    assert_same(folder, model, items, tolerance, **how)
