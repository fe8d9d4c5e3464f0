"""Train a byte-level BPE tokenizer in RoBERTa's manner."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from fillmask.training.corpus import Source, _sampled
from fillmask.training.packing import SpecialIds

SPECIAL_TOKENS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")


def train_tokenizer(
    sources: Sequence[Source], vocab_size: int, *, seed: int = 0, max_characters: int | None = None
) -> Tokenizer:
    """Byte-level BPE (case-sensitive, lossless) with RoBERTa's special tokens and `<s> text </s>` framing.

    `<mask>` swallows the space before it, so that the token to predict
    carries its own leading space, as every word inside a sentence does.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    specials: list[str | AddedToken] = [
        AddedToken(t, special=True, lstrip=t == "<mask>", normalized=False) for t in SPECIAL_TOKENS
    ]
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        limit_alphabet=256,
        show_progress=False,
    )

    def texts() -> Iterator[str]:
        read = 0
        for document in _sampled(sources, seed):
            read += len(document)
            if max_characters is not None and read > max_characters:
                return
            yield document

    tokenizer.train_from_iterator(texts(), trainer)
    ids = special_ids(tokenizer)
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", ids.eos), ("<s>", ids.bos), trim_offsets=True, add_prefix_space=False
    )
    return tokenizer


def special_ids(tokenizer: Tokenizer) -> SpecialIds:
    """Ids of `<s>`, `</s>`, `<pad>` and `<mask>`.

    Raises:
        ValueError: the tokenizer lacks one of them.
    """

    def number(token: str) -> int:
        found = tokenizer.token_to_id(token)
        if found is None:
            raise ValueError(f"the tokenizer has no {token}; expected RoBERTa's special tokens")
        return found

    return SpecialIds(bos=number("<s>"), eos=number("</s>"), pad=number("<pad>"), mask=number("<mask>"))


def save_tokenizer(tokenizer: Tokenizer, folder: Path, max_length: int) -> None:
    """Write tokenizer.json and tokenizer_config.json as transformers reads them."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": max_length,
        "bos_token": "<s>",
        "cls_token": "<s>",
        "eos_token": "</s>",
        "sep_token": "</s>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "mask_token": "<mask>",
        "clean_up_tokenization_spaces": False,
        "model_input_names": ["input_ids", "attention_mask"],
    }
    for name, text in (
        ("tokenizer.json", tokenizer.to_str()),
        ("tokenizer_config.json", json.dumps(config, indent=2) + "\n"),
    ):
        part = folder / f".{name}.part"
        part.write_text(text, encoding="utf-8")
        os.replace(part, folder / name)
