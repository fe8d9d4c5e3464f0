"""A checkpoint in both libraries, and a BERT with a vocabulary of its own."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parity import random_model, save
from tiny import LONGEST, SENTENCES
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertTokenizerFast

import fillmask

WORDPIECE_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@dataclass(frozen=True)
class Both:
    """One checkpoint in both libraries."""

    folder: Path
    ours: fillmask.FillMask
    theirs: Any

    @property
    def mask(self) -> str:
        return self.ours.mask_token


def write_bert(folder: Path) -> Path:
    """A BERT with a lower-casing WordPiece vocabulary of the tests' sentences."""
    backend = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece(prefix="##")
    trainer = trainers.WordPieceTrainer(vocab_size=240, special_tokens=WORDPIECE_SPECIAL, show_progress=False)
    backend.train_from_iterator(SENTENCES, trainer)
    backend.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    BertTokenizerFast(tokenizer_object=backend, model_max_length=LONGEST).save_pretrained(folder)
    config = BertConfig(
        vocab_size=backend.get_vocab_size(), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=LONGEST, pad_token_id=0,
    )  # fmt: skip
    return save(random_model(config), folder)
