"""Tables of a vocabulary for masking: special tokens, word starts, and spellings.

Works on the token strings of byte-level BPE, WordPiece and SentencePiece.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from fillmask.tokenization.byte_alphabet import bytes_of
from fillmask.training.packing import SpecialIds
from fillmask.training.tokenizer import special_ids

_SPACE, _LETTER, _OTHER = range(3)
_METASPACE = "▁"


class MaskingVocabulary:
    """Tables over the ids of a tokenizer.

    Attributes:
        special: ids of the tokens that rows are built from.
        forbidden: tokens that are never masked nor drawn at random: special ones and unknown, (vocabulary,).
        ordinary: ids of all other tokens.
        kind: "bpe" (of bytes), "wordpiece", or "unigram" (SentencePiece's word marks).
        texts: what each token spells, a leading space included; None where it spells a part of a character.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.special: SpecialIds = special_ids(tokenizer)
        self._tokenizer = tokenizer
        size = tokenizer.get_vocab_size(with_added_tokens=True)
        tokens = [tokenizer.id_to_token(i) or "" for i in range(size)]
        added = {i for i, token in tokenizer.get_added_tokens_decoder().items() if token.special}
        self.forbidden = np.zeros(size, bool)
        self.forbidden[list(added | set(self.special))] = True
        model: dict[str, Any] = json.loads(tokenizer.to_str())["model"]
        if (unknown := model.get("unk_token")) is not None and unknown in tokens:
            self.forbidden[tokens.index(unknown)] = True
        if model.get("unk_id") is not None:
            self.forbidden[model["unk_id"]] = True
        self.ordinary: npt.NDArray[np.int64] = np.flatnonzero(~self.forbidden)
        self.kind: str = {"WordPiece": "wordpiece", "Unigram": "unigram"}.get(model["type"], "bpe")
        self._prefix = model.get("continuing_subword_prefix") or "##"
        if self.kind == "bpe" and "Metaspace" in str(type(tokenizer.pre_tokenizer)):
            self.kind = "unigram"  # SentencePiece's BPE: the same word marks
        spelled = [self._spell(token) for token in tokens]
        self.texts = [text for text, _ in spelled]
        self._begins = np.array([begins for _, begins in spelled])
        self._first = np.array([_kind_of(text[:1] if text is not None else "") for text in self.texts])
        self._last = np.array([_kind_of(text[-1:] if text is not None else "") for text in self.texts])
        self.lengths: npt.NDArray[np.int64] = np.array([len(t) if t else 1 for t in self.texts])
        self._ids = {token: i for i, token in enumerate(tokens)}
        self.cut = lru_cache(1 << 16)(self._cut)

    def _spell(self, token: str) -> tuple[str | None, bool]:
        """A token's text, and whether it begins a word whatever stands before."""
        match self.kind:
            case "wordpiece":
                inside = token.startswith(self._prefix)
                return (token.removeprefix(self._prefix), False) if inside else (" " + token, True)
            case "unigram":
                return token.replace(_METASPACE, " "), token.startswith(_METASPACE)
            case _:
                try:
                    raw = bytes_of(token)
                    return (None, False) if raw is None else (raw.decode("utf-8"), raw[:1].isspace())
                except UnicodeDecodeError:
                    return None, False

    def word_starts(self, rows: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Whether each token begins a word (a number or a sign counts as one); shape of `rows`."""
        starts: npt.NDArray[np.bool_] = self._begins[rows].copy()
        starts[:, 0] = True
        before = rows[:, :-1]
        if self.kind != "wordpiece":
            starts[:, 1:] |= self._first[rows[:, 1:]] != self._last[before]
        starts |= self.forbidden[rows]
        starts[:, 1:] |= self.forbidden[before]
        return starts

    def _cut(self, text: str) -> tuple[int, ...] | None:
        """The ids of a part of a word, as it is written: no word mark is put before it. None if it cannot be spelled."""
        if not text:
            return ()
        if self.kind == "bpe":
            return tuple(self._tokenizer.encode(text, add_special_tokens=False).ids)
        # Longest match first, as WordPiece does.
        ids: list[int] = []
        while text:
            for stop in range(len(text), 0, -1):
                piece = text[:stop]
                if self.kind == "wordpiece":
                    token = piece[1:] if piece.startswith(" ") else self._prefix + piece
                else:
                    token = piece.replace(" ", _METASPACE)
                if (token_id := self._ids.get(token)) is not None and not self.forbidden[token_id]:
                    ids.append(token_id)
                    text = text[stop:]
                    break
            else:
                return None
        return tuple(ids)


def _kind_of(character: str) -> int:
    if not character or character.isalnum() or ord(character) > 127:
        return _LETTER
    return _SPACE if character.isspace() else _OTHER
