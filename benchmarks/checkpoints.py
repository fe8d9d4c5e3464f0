"""Checkpoints of well-known shapes with random weights, made without a download."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import RobertaConfig, RobertaForMaskedLM

import fillmask
from fillmask.training.tokenizer import save_tokenizer

BUNDLED = Path(fillmask.__file__).parent / "bundled"
VOCABULARY = 50265


def distilroberta_shaped(folder: Path) -> None:
    """A RobertaForMaskedLM of DistilRoBERTa's sizes (82M parameters, 50,265 tokens)."""
    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=VOCABULARY,
        num_hidden_layers=6,
        max_position_embeddings=514,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        initializer_range=0.05,
    )
    RobertaForMaskedLM(config).save_pretrained(folder)
    save_tokenizer(_tokenizer(), folder, 512)


def _tokenizer() -> Tokenizer:
    """The bundled tokenizer, its vocabulary filled up to DistilRoBERTa's size: the head's cost depends on it."""
    state = json.loads((BUNDLED / "tokenizer.json").read_text("utf-8"))
    vocabulary = state["model"]["vocab"]
    vocabulary.update({f"filler{i}": i for i in range(len(vocabulary), VOCABULARY)})
    return Tokenizer.from_str(json.dumps(state))
