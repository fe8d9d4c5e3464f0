"""Checkpoints of well-known shapes with random weights, made without a download."""

from __future__ import annotations

import importlib.util
import json
import re
import string
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import BertProcessing
from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast, RobertaConfig, RobertaForMaskedLM

import fillmask
from fillmask.training.tokenizer import save_tokenizer

BUNDLED = Path(fillmask.__file__).parent / "bundled"
VOCABULARY = 50265


def distilroberta_shaped(folder: Path) -> bool:
    """A RobertaForMaskedLM of DistilRoBERTa's sizes (82M parameters, 50,265 tokens); False: its vocabulary is not BERT's."""
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
    return False


def bert_base_shaped(folder: Path) -> bool:
    """A BertForMaskedLM of BERT-base's sizes (110M parameters, 30,522 tokens).

    Returns:
        Whether its vocabulary is the published one, which is taken from the faster-clip package; else it is made up.
    """
    torch.manual_seed(0)
    config = BertConfig(initializer_range=0.05)
    BertForMaskedLM(config).save_pretrained(folder)
    text = _faster_clips_tokenizer()
    tokenizer = Tokenizer.from_str(text) if text else _word_piece(config.vocab_size)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=512, mask_token="[MASK]", pad_token="[PAD]", unk_token="[UNK]",
        cls_token="[CLS]", sep_token="[SEP]",
    ).save_pretrained(folder)  # fmt: skip
    return text is not None


def _faster_clips_tokenizer() -> str | None:
    """The tokenizer.json of bert-base-uncased that faster-clip's library holds as text; None where it is not found."""
    spec = importlib.util.find_spec("faster_clip")
    libraries = list(Path(spec.origin).parent.glob("*.so")) if spec and spec.origin else []
    decoder = json.JSONDecoder()
    for library in libraries:
        data = library.read_bytes()
        for match in re.finditer(rb'\{\s*"version": "1.0"', data):
            try:
                text, _ = decoder.raw_decode(data[match.start() : match.start() + (1 << 22)].decode("utf-8", "replace"))
            except ValueError:
                continue
            if len(text.get("model", {}).get("vocab", ())) == BertConfig().vocab_size:
                return json.dumps(text)
    return None


def _word_piece(size: int) -> Tokenizer:
    """A WordPiece tokenizer of single letters, filled up to `size`."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [prefix + letter for prefix in ("", "##") for letter in string.ascii_lowercase + string.punctuation]
    pieces = [*special, *letters]
    pieces += [f"filler{number}" for number in range(size - len(pieces))]
    tokenizer = Tokenizer(WordPiece({piece: number for number, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer


def _tokenizer() -> Tokenizer:
    """The bundled tokenizer, its vocabulary filled up to DistilRoBERTa's size: the head's cost depends on it."""
    state = json.loads((BUNDLED / "tokenizer.json").read_text("utf-8"))
    vocabulary = state["model"]["vocab"]
    vocabulary.update({f"filler{i}": i for i in range(len(vocabulary), VOCABULARY)})
    return Tokenizer.from_str(json.dumps(state))
