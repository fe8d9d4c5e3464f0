"""The vocabulary of a tokenizer: special tokens, ids to tokens and back, ids to text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, overload

from tokenizers import Tokenizer as Backend


class TokenizerVocabulary:
    """Tokens, their ids, and their texts, as transformers' tokenizers give them.

    Special tokens are attributes: `mask_token` and `mask_token_id`, and the
    same for `pad`, `unk`, `cls`, `sep`, `bos`, and `eos`; None where the
    vocabulary has none.

    Args:
        backend: the tokenizer itself.
        special: names of the special tokens by their role, such as `mask_token`.
        clean_up: take the space before punctuation out of decoded text.
    """

    def __init__(self, backend: Backend, special: Mapping[str, str | None], *, clean_up: bool = False) -> None:
        self.backend = backend
        self._special = {role: token for role, token in special.items() if token is not None}
        # transformers refuses to "clean up" byte-level BPE, whose spaces are the text's own.
        self._clean_up = clean_up and type(backend.model).__name__ != "BPE"

    @property
    def mask_token(self) -> str | None:
        return self._special.get("mask_token")

    @property
    def mask_token_id(self) -> int | None:
        return self._id("mask_token")

    @property
    def pad_token(self) -> str | None:
        return self._special.get("pad_token")

    @property
    def pad_token_id(self) -> int | None:
        return self._id("pad_token")

    def __getattr__(self, name: str) -> Any:
        """The other special tokens: `cls_token`, `sep_token_id`, and so on."""
        role = name.removesuffix("_id")
        if role not in ("bos_token", "eos_token", "unk_token", "sep_token", "cls_token"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return self._special.get(role) if name == role else self._id(role)

    def _id(self, role: str) -> int | None:
        token = self._special.get(role)
        token_id: int | None = None if token is None else self.backend.token_to_id(token)
        return token_id

    @property
    def special_tokens_map(self) -> dict[str, str]:
        """Special tokens by their role."""
        return dict(self._special)

    @property
    def all_special_tokens(self) -> list[str]:
        """Special tokens, each once."""
        return list(dict.fromkeys(self._special.values()))

    @property
    def all_special_ids(self) -> list[int]:
        """Ids of the special tokens, each once."""
        ids = [self.backend.token_to_id(token) for token in self.all_special_tokens]
        return [token_id for token_id in ids if token_id is not None]

    @cached_property
    def vocab(self) -> dict[str, int]:
        """Token to id, added tokens included."""
        return self.backend.get_vocab(with_added_tokens=True)

    def get_vocab(self) -> dict[str, int]:
        """Token to id, added tokens included."""
        return self.vocab

    def get_added_vocab(self) -> dict[str, int]:
        """Token to id of the added tokens."""
        return {token.content: token_id for token_id, token in self.backend.get_added_tokens_decoder().items()}

    @property
    def vocab_size(self) -> int:
        """Tokens of the vocabulary, without those that were added to it; `len()` counts these too."""
        return self.backend.get_vocab_size(with_added_tokens=False)

    def __len__(self) -> int:
        return self.backend.get_vocab_size(with_added_tokens=True)

    def decode(self, token_ids: Any, skip_special_tokens: bool = False) -> Any:
        """The text of some ids: an int, or a list, array or tensor of them; for a list of lists, a list of texts."""
        ids = _plain(token_ids)
        if isinstance(ids, int):
            ids = [ids]
        if ids and isinstance(ids[0], list):
            return [self.decode(row, skip_special_tokens) for row in ids]
        text = self.backend.decode(ids, skip_special_tokens=skip_special_tokens)
        return _clean_up(text) if self._clean_up else text

    def batch_decode(self, sequences: Any, skip_special_tokens: bool = False) -> list[str]:
        """The text of each list of ids."""
        return [self.decode(ids, skip_special_tokens) for ids in _plain(sequences)]

    def decode_each(self, token_ids: Iterable[int]) -> list[str]:
        """The text of each id by itself."""
        texts = self.backend.decode_batch([[token_id] for token_id in token_ids], skip_special_tokens=False)
        return [_clean_up(text) for text in texts] if self._clean_up else list(texts)

    @overload
    def convert_ids_to_tokens(self, ids: int, skip_special_tokens: bool = ...) -> str | None: ...

    @overload
    def convert_ids_to_tokens(self, ids: Iterable[int], skip_special_tokens: bool = ...) -> list[str | None]: ...

    def convert_ids_to_tokens(
        self, ids: int | Iterable[int], skip_special_tokens: bool = False
    ) -> str | list[str | None] | None:
        """The token of an id, or of each id of a list; None for an id that there is not."""
        ids = _plain(ids)
        if isinstance(ids, int):
            return self.backend.id_to_token(ids)
        special = set(self.all_special_ids) if skip_special_tokens else set()
        return [self.backend.id_to_token(token_id) for token_id in ids if token_id not in special]

    @overload
    def convert_tokens_to_ids(self, tokens: str) -> int | None: ...  # type: ignore[overload-overlap]

    @overload
    def convert_tokens_to_ids(self, tokens: Iterable[str]) -> list[int | None]: ...

    def convert_tokens_to_ids(self, tokens: str | Iterable[str]) -> int | list[int | None] | None:
        """The id of a token, or of each token of a list; the unknown token's id for one that there is not."""
        if not isinstance(tokens, str):
            return [self.convert_tokens_to_ids(token) for token in tokens]
        token_id: int | None = self.backend.token_to_id(tokens)
        return self._id("unk_token") if token_id is None else token_id

    def convert_tokens_to_string(self, tokens: Sequence[str]) -> str:
        """The text of some tokens."""
        decoder = self.backend.decoder
        return str(decoder.decode(list(tokens))) if decoder is not None else " ".join(tokens)


def _plain(ids: Any) -> Any:
    """Ids as an int or as lists, of whatever holds them: arrays, tensors and iterators too."""
    if hasattr(ids, "tolist"):
        return ids.tolist()
    if isinstance(ids, int):
        return ids
    return [_plain(item) if not isinstance(item, int) else item for item in ids]


# BERT's detokenisation, as transformers applies it when the tokenizer's config asks for it.
_CLEAN_UPS = (
    (" .", "."),
    (" ?", "?"),
    (" !", "!"),
    (" ,", ","),
    (" ' ", "'"),
    (" n't", "n't"),
    (" 'm", "'m"),
    (" 's", "'s"),
    (" 've", "'ve"),
    (" 're", "'re"),
)


def _clean_up(text: str) -> str:
    for spaced, joined in _CLEAN_UPS:
        text = text.replace(spaced, joined)
    return text
