"""A checkpoint's tokenizer: text to ids and back, as transformers does it.

A thin layer over the `tokenizers` library. It knows nothing of models beyond
their length limit, and nothing of files: `tokenizer_files` reads those.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as Backend

from fillmask.errors import InputError, TextTooLongError
from fillmask.tokenization.files import read_tokenizer

_TOKENIZER_OPTIONS = (
    "truncation",
    "max_length",
    "add_special_tokens",
    "padding",
    "return_tensors",
    "return_attention_mask",
    "return_token_type_ids",
)
_DO_NOT_TRUNCATE = "do_not_truncate"
_LONG_TEXT = 1_000  # characters; tokenizing them takes about a millisecond
_TRUNCATIONS = ("longest_first", "only_first", "only_second", _DO_NOT_TRUNCATE)


@dataclass(frozen=True)
class Encoding:
    """Token ids of one text.

    Attributes:
        ids: token ids, special tokens included.
        type_ids: the segment of each token.
        leading: special tokens that the tokenizer put before the text.
        trailing: and after it.
    """

    ids: list[int]
    type_ids: list[int]
    leading: int = 0
    trailing: int = 0


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a text: its characters, `start` to `end`, and the places of its tokens."""

    start: int
    end: int
    places: tuple[int, ...]


@dataclass(frozen=True)
class WordEncoding:
    """Token ids of a text of any length, special ones included, and which of them make up its words."""

    text: str
    encoding: Encoding
    words: tuple[Word, ...]

    @property
    def ids(self) -> list[int]:
        return self.encoding.ids

    @property
    def type_ids(self) -> list[int]:
        return self.encoding.type_ids


class Tokenizer:
    """Ids, tokens and texts of one vocabulary.

    Args:
        backend: the tokenizer itself; its padding and truncation are turned off.
        special: names of the special tokens, `mask_token` among them.
        limit: most tokens a text may have.
        clean_up: take the space before punctuation out of decoded text.
        truncation_side: "left" or "right", where a text is cut that is to be truncated.
    """

    def __init__(
        self,
        backend: Backend,
        special: Mapping[str, str | None],
        limit: int,
        *,
        clean_up: bool = False,
        truncation_side: str = "right",
    ) -> None:
        backend.no_padding()
        backend.no_truncation()
        self.backend = backend
        self.model_max_length = limit
        self.truncation_side = truncation_side
        self._special = dict(special)
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

    def _id(self, role: str) -> int | None:
        token = self._special.get(role)
        number: int | None = None if token is None else self.backend.token_to_id(token)
        return number

    @cached_property
    def vocab(self) -> dict[str, int]:
        """Token to id, added tokens included."""
        return self.backend.get_vocab(with_added_tokens=True)

    def get_vocab(self) -> dict[str, int]:
        """Token to id, added tokens included."""
        return self.vocab

    def __len__(self) -> int:
        return self.backend.get_vocab_size(with_added_tokens=True)

    def encode_text(
        self, text: str, options: Mapping[str, Any] | None = None, *, any_length: bool = False, pair: str | None = None
    ) -> Encoding:
        """Ids with special tokens.

        Args:
            options: transformers' `tokenizer_kwargs`: `truncation`, `max_length`
                and `add_special_tokens` act; padding and tensor options have no
                effect on the answers and are accepted. As in transformers
                `max_length` truncates also where `truncation` is not given.
            any_length: let a text be longer than the model.
            pair: a second text, which comes after the first.

        Raises:
            InputError: not a text, a lone surrogate, an unknown option, or one that cannot be used.
            TextTooLongError: more tokens than the limit, and truncation was not asked for.
        """
        options = options or {}
        unknown = set(options) - set(_TOKENIZER_OPTIONS)
        if unknown:
            raise InputError(
                f"tokenizer_kwargs has {', '.join(sorted(unknown))}; expected any of {', '.join(_TOKENIZER_OPTIONS)}"
            )
        check_text(text)
        if pair is not None:
            check_text(pair)
        add_special_tokens = bool(options.get("add_special_tokens", True))
        strategy, longest = _truncation(options)
        found = self.encode_raw(text, pair, add_special_tokens=add_special_tokens)
        limit = min(longest or self.model_max_length, self.model_max_length)
        if strategy != _DO_NOT_TRUNCATE and len(found.ids) > limit:
            found = self._truncated(text, pair, limit, strategy, add_special_tokens)
        if len(found.ids) > self.model_max_length and not any_length:
            raise TextTooLongError(
                f"the text has {len(found.ids)} tokens and the model takes {self.model_max_length}; shorten it,"
                " or ask for a window round each mask (long_text='window', --long-text window)"
            )
        return _encoding(found)

    def encode_each(self, texts: Sequence[str]) -> list[Encoding | InputError]:
        """Ids with special tokens of texts of any length, or the error of a text that cannot be encoded.

        The texts are encoded together, on all cores and without the GIL.
        """
        try:
            for text in texts:
                check_text(text)
            return [_encoding(found) for found in self.backend.encode_batch_fast(list(texts))]
        except Exception:  # one text spoils the batch: find out which
            encodings: list[Encoding | InputError] = []
            for text in texts:
                try:
                    encodings.append(self.encode_text(text, any_length=True))
                except InputError as error:
                    encodings.append(error)
            return encodings

    def encode_raw(self, text: str, pair: str | None = None, *, add_special_tokens: bool = True) -> Any:
        """The `tokenizers.Encoding` of one text, or of two.

        Raises:
            InputError: a piece of the text is not in the vocabulary, which has no token for unknown pieces.
        """
        try:
            if len(text) + len(pair or "") < _LONG_TEXT:
                return self.backend.encode(text, pair, add_special_tokens=add_special_tokens)
            # `encode` keeps the GIL, and a long text would stop all other threads.
            return self.backend.encode_batch(
                [text if pair is None else (text, pair)], add_special_tokens=add_special_tokens
            )[0]
        except Exception as error:  # `tokenizers` raises bare Exception
            piece = next((piece for piece in f"{text} {pair or ''}".split() if not self._encodes(piece)), text)
            raise InputError(
                f"the tokenizer cannot encode {piece!r:.60}, since its vocabulary has no token for unknown text ({error});"
                " leave that out, or use a model whose tokenizer has an unknown token"
            ) from error

    def _encodes(self, text: str) -> bool:
        try:
            self.backend.encode(text, add_special_tokens=False)
        except Exception:
            return False
        return True

    def encode_words(self, text: str) -> WordEncoding:
        """Ids with special tokens and the words that they make up, as the tokenizer cuts a text before its model does.

        Raises:
            InputError: not a text, or a lone surrogate.
        """
        check_text(text)
        found = self.encode_raw(text)
        places: dict[tuple[int | None, int], list[int]] = {}
        for place, (word, added) in enumerate(zip(found.word_ids, found.special_tokens_mask, strict=True)):
            if not added:
                # A token that belongs to no word, as those added to a vocabulary, is one.
                places.setdefault((word, -1 if word is not None else place), []).append(place)
        words = []
        for of_word in places.values():
            start, end = found.offsets[of_word[0]][0], found.offsets[of_word[-1]][1]
            written = text[start:end]
            start += len(written) - len(written.lstrip())
            words.append(Word(start, max(start, start + len(written.strip())), tuple(of_word)))
        return WordEncoding(text, _encoding(found), tuple(words))

    def _truncated(self, text: str, pair: str | None, limit: int, strategy: str, add_special_tokens: bool) -> Any:
        """A text, or two, cut to so many tokens, as the backend cuts.

        The backend itself would have to be told to, and it belongs to other threads too.
        """
        added = self.backend.num_special_tokens_to_add(pair is not None) if add_special_tokens else 0
        if limit < added:
            raise InputError(f"max_length is {limit}; expected {added} or more, as many as there are special tokens")
        first = self.encode_raw(text, add_special_tokens=False)
        second = None if pair is None else self.encode_raw(pair, add_special_tokens=False)
        lengths = _cut(len(first.ids), None if second is None else len(second.ids), limit - added, strategy)
        first.truncate(lengths[0], direction=self.truncation_side)
        if second is not None:
            second.truncate(lengths[1], direction=self.truncation_side)
        return self.backend.post_process(first, second, add_special_tokens)

    def encode_windows(self, text: str, length: int) -> list[Any]:
        """A text as `tokenizers.Encoding`s of at most `length` tokens, each with its special tokens.

        Raises:
            InputError: the text cannot be encoded, or `length` has no room for a token of the text.
        """
        room = length - self.backend.num_special_tokens_to_add(False)
        if room < 1:
            raise InputError(f"the length is {length}; expected room for a token beside the special tokens")
        first = self.encode_raw(text, add_special_tokens=False)
        first.truncate(room)
        return [self.backend.post_process(part, None, True) for part in (first, *first.overflowing)]

    def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
        """Token ids of a text of any length."""
        check_text(text)
        return list(self.encode_raw(text, add_special_tokens=add_special_tokens).ids)

    def tokenize(self, text: str) -> list[str]:
        """Tokens of a text, without special tokens."""
        return [str(self.backend.id_to_token(number)) for number in self.encode(text, add_special_tokens=False)]

    def decode(self, token_ids: int | Sequence[int], skip_special_tokens: bool = False) -> str:
        """Text of some ids."""
        ids = [token_ids] if isinstance(token_ids, int) else list(token_ids)
        text = self.backend.decode(ids, skip_special_tokens=skip_special_tokens)
        return _clean_up(text) if self._clean_up else text

    def decode_each(self, token_ids: Iterable[int]) -> list[str]:
        """The text of each id by itself."""
        texts = self.backend.decode_batch([[number] for number in token_ids], skip_special_tokens=False)
        return [_clean_up(text) for text in texts] if self._clean_up else list(texts)

    def convert_ids_to_tokens(self, token_id: int) -> str | None:
        """The token with this id."""
        return self.backend.id_to_token(token_id)

    def convert_tokens_to_ids(self, token: str) -> int | None:
        """The id of this token."""
        return self.backend.token_to_id(token)


def _truncation(options: Mapping[str, Any]) -> tuple[str, int | None]:
    """How `tokenizer_kwargs` truncate, and to how many tokens where they say it.

    Raises:
        InputError: one of them cannot be used.
    """
    strategy, longest = options.get("truncation"), options.get("max_length")
    if longest is not None and (isinstance(longest, bool) or not isinstance(longest, Integral) or longest < 1):
        raise InputError(f"max_length is {longest!r}; expected a whole number, 1 or more")
    if strategy is None and longest is not None and options.get("padding") in (False, None):
        strategy = True
    if strategy is None or isinstance(strategy, bool):
        strategy = _TRUNCATIONS[0] if strategy else _DO_NOT_TRUNCATE
    if strategy not in _TRUNCATIONS:
        raise InputError(f"truncation is {strategy!r}; expected True, False or one of {', '.join(_TRUNCATIONS)}")
    return strategy, None if longest is None else int(longest)


def _cut(first: int, second: int | None, room: int, strategy: str) -> tuple[int, int]:
    """How many tokens of each text, of so many, are kept where there is less room than for all."""
    if room == 0:
        return 0, 0
    if second is None:
        if strategy == "only_second":
            raise InputError("truncation is 'only_second', and there is no second text to truncate")
        return room, 0
    if strategy == "longest_first":
        short, long = min(first, second), max(first, second)
        long = short if short > room else max(short, room - short)
        if short + long > room:
            short, long = room // 2, room - room // 2
        return (long, short) if first > second else (short, long)
    kept = (room - second, second) if strategy == "only_first" else (first, room - first)
    if kept[strategy == "only_second"] < 1:
        raise InputError(f"truncation is {strategy!r}, and the other text alone fills the {room} tokens that there are")
    return kept


def _encoding(found: Any) -> Encoding:
    added = found.special_tokens_mask
    leading = next((n for n, special in enumerate(added) if not special), len(added))
    trailing = next((n for n, special in enumerate(reversed(added)) if not special), 0)
    return Encoding(found.ids, found.type_ids, leading, trailing)


def check_text(text: object) -> None:
    """Raise InputError unless `text` is a string that UTF-8 can hold."""
    if not isinstance(text, str):
        raise InputError(
            f"the input is {text!r:.60}, of type {type(text).__name__}; expected a text (str) or a list of texts"
        )
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(
            f"the text has a lone surrogate ({text[error.start]!a}) at character {error.start}, which is not a character; decode the input with errors='replace'"
        ) from error


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


def load_tokenizer(folder: Path, longest: int | None) -> Tokenizer:
    """The tokenizer of a checkpoint folder.

    Args:
        longest: tokens that the model has positions for, where that is known; a
            smaller limit in the tokenizer's own config wins.

    Raises:
        CheckpointNotFoundError: there are no tokenizer files.
        CorruptCheckpointError: they cannot be read, or have a value that cannot be used.
    """
    files = read_tokenizer(folder)
    return Tokenizer(
        files.backend,
        files.special,
        min(files.limit, longest or files.limit),
        clean_up=files.clean_up,
        truncation_side=files.truncation_side,
    )
