"""Word embeddings of a new vocabulary from those of an old one.

The embedding of a new token is the mean of the embeddings of its pieces, the old tokens that spell the same text:

- A special token takes the old token of its role: what begins, ends, pads or masks, and what is unknown.
- Where the old vocabulary marks continuations (`##ing` in WordPiece), a token that begins with a space, a capital letter,
  a digit or a sign begins a word, and any other continues one. Elsewhere the space is the mark.
- The old tokenizer's normalizer folds case and accents where the old model does.
- A token that the old vocabulary cannot spell (a part of a character, white space) starts at the mean of all
  embeddings, with noise of half their standard deviation, and is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor

from fillmask.training.tokenizer import BERT_TOKENS, SPECIAL_TOKENS
from fillmask.training.vocabulary import MaskingVocabulary

_NOISE = 0.5  # of the standard deviation of each dimension


@dataclass(frozen=True)
class Transplant:
    """Embeddings of a new vocabulary.

    Attributes:
        embeddings: one row for each token of the new vocabulary, (new tokens, hidden).
        pieces: the old tokens that each row is the mean of, none for a token that matches nothing.
    """

    embeddings: Tensor
    pieces: tuple[tuple[int, ...], ...]

    @property
    def unmatched(self) -> int:
        """How many tokens match nothing in the old vocabulary."""
        return sum(not pieces for pieces in self.pieces)


def transplant(table: Tensor, old: Tokenizer, new: Tokenizer, *, seed: int = 0) -> Transplant:
    """Embeddings of the vocabulary of `new` from the `table` of `old`, (old tokens, hidden)."""
    pieces = matching_pieces(old, new)
    ordinary = table[torch.from_numpy(MaskingVocabulary(old).ordinary)]
    mean, deviation = ordinary.mean(0), ordinary.std(0)
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.empty(len(pieces), table.shape[1])
    for token, ids in enumerate(pieces):
        if ids:
            embeddings[token] = table[list(ids)].mean(0)
        else:
            embeddings[token] = mean + _NOISE * deviation * torch.randn(table.shape[1], generator=generator)
    return Transplant(embeddings, pieces)


def matching_pieces(old: Tokenizer, new: Tokenizer) -> tuple[tuple[int, ...], ...]:
    """For each token of `new`, the ids of the tokens of `old` that spell the same text; none where nothing does."""
    old = Tokenizer.from_str(old.to_str())
    old.no_padding()
    old.no_truncation()
    old_vocabulary, new_vocabulary = MaskingVocabulary(old), MaskingVocabulary(new)
    roles = _roles(old)
    all_pieces: list[tuple[int, ...]] = []
    for token, text in enumerate(new_vocabulary.texts):
        role = _role(new.id_to_token(token))
        if role is not None:
            all_pieces.append((roles[role],) if role in roles else ())
        elif not text or not text.strip() or new_vocabulary.forbidden[token]:
            all_pieces.append(())
        else:
            all_pieces.append(_spelled(text, old, old_vocabulary))
    return tuple(all_pieces)


def _role(token: str | None) -> int | None:
    """What a special token stands for, as its place in `SPECIAL_TOKENS` and `BERT_TOKENS`."""
    for names in (SPECIAL_TOKENS, BERT_TOKENS):
        if token in names:
            return names.index(token)
    return None


def _roles(tokenizer: Tokenizer) -> dict[int, int]:
    """The id of the token of each role that the vocabulary has."""
    ids = {}
    for role, names in enumerate(zip(BERT_TOKENS, SPECIAL_TOKENS, strict=True)):
        # ALBERT has an <s> that begins nothing beside [CLS]: the brackets come first.
        token_ids: Sequence[int] = [i for name in names if (i := tokenizer.token_to_id(name)) is not None]
        if token_ids:
            ids[role] = token_ids[0]
    return ids


def _spelled(text: str, old: Tokenizer, vocabulary: MaskingVocabulary) -> tuple[int, ...]:
    """The old tokens of a new token's text; none if they cannot spell all of it."""
    stripped = text.strip()
    if vocabulary.kind != "wordpiece":  # the word mark is a space, as in the text itself
        ids = vocabulary.cut(f" {stripped}" if text[0].isspace() else stripped)
        if ids is None and text[0].isspace():
            ids = vocabulary.cut(stripped)
        return ids or ()
    first = text[0]
    begins = first.isspace() or not first.isalpha() or first.isupper()
    normalized = old.normalizer.normalize_str(stripped) if old.normalizer else stripped
    words = [word for word, _ in old.pre_tokenizer.pre_tokenize_str(normalized)] if old.pre_tokenizer else [normalized]
    pieces: list[int] = []
    for number, word in enumerate(words):
        # Signs are words of their own, and so is what follows them.
        continues = number == 0 and not begins and word[0].isalnum()
        ids = vocabulary.cut(word if continues else f" {word}")
        if ids is None:
            return ()
        pieces += ids
    return tuple(pieces)
