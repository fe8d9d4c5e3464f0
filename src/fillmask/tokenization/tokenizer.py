"""A checkpoint's tokenizer: text to ids and back, as transformers does it.

A thin layer over the `tokenizers` library with the calls of transformers'
tokenizers that tutorials use. It knows nothing of models beyond their length
limit, and nothing of files: `files` reads those. Nothing here changes the
state of the backend, which other threads use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as Backend

from fillmask.errors import InputError, TextTooLongError
from fillmask.tokenization.batch_encoding import BatchEncoding, batch_encoding
from fillmask.tokenization.encoding import Encoding, WordEncoding
from fillmask.tokenization.files import read_tokenizer
from fillmask.tokenization.truncation import DO_NOT_TRUNCATE, kept_lengths, truncation_of
from fillmask.tokenization.vocabulary import TokenizerVocabulary
from fillmask.tokenization.words import words_of

_TOKENIZER_OPTIONS = (
    "truncation",
    "max_length",
    "add_special_tokens",
    "padding",
    "return_tensors",
    "return_attention_mask",
    "return_token_type_ids",
)
_LONG_TEXT = 1_000  # characters; tokenizing them takes about a millisecond


class Tokenizer(TokenizerVocabulary):
    """Texts to ids, and with its vocabulary (`TokenizerVocabulary`) ids to texts.

    Args:
        backend: the tokenizer itself; its padding and truncation are turned off.
        special: names of the special tokens, `mask_token` among them.
        limit: most tokens a text may have.
        clean_up: take the space before punctuation out of decoded text.
        truncation_side: "left" or "right", where a text is cut that is to be truncated.
        type_ids: whether a call returns `token_type_ids` unless it says otherwise.
    """

    is_fast = True
    padding_side = "right"

    def __init__(
        self,
        backend: Backend,
        special: Mapping[str, str | None],
        limit: int,
        *,
        clean_up: bool = False,
        truncation_side: str = "right",
        type_ids: bool = False,
    ) -> None:
        backend.no_padding()
        backend.no_truncation()
        super().__init__(backend, special, clean_up=clean_up)
        self.model_max_length = limit
        self.truncation_side = truncation_side
        self.model_input_names = ["input_ids", *(["token_type_ids"] if type_ids else []), "attention_mask"]

    def __call__(
        self,
        text: str | Sequence[str],
        text_pair: str | Sequence[str] | None = None,
        *,
        add_special_tokens: bool = True,
        padding: bool | str = False,
        truncation: bool | str | None = None,
        max_length: int | None = None,
        return_tensors: str | None = None,
        return_token_type_ids: bool | None = None,
        return_attention_mask: bool | None = None,
        return_offsets_mapping: bool = False,
        return_special_tokens_mask: bool = False,
        return_length: bool = False,
    ) -> BatchEncoding:
        """What a model reads for a text or for a list of texts, as transformers' tokenizers return it.

        Args:
            text_pair: a second text, or a list of as many.
            padding: True or "longest" for the longest text of the list, "max_length", or False.
            truncation, max_length: cut texts to so many tokens, by default to `model_max_length`.
            return_tensors: "np" for arrays, "pt" for tensors; lists by default.

        Returns:
            `input_ids`, `attention_mask`, and with a pair-aware model `token_type_ids`, each (texts, length), or
            (length,) for a single text without `return_tensors`.

        Raises:
            InputError: an input is no text, or an option cannot be used.
        """
        options = {"truncation": truncation, "max_length": max_length, "padding": padding}
        single = isinstance(text, str)
        firsts: list[Any] = [text] if isinstance(text, str) else list(text)
        seconds: list[Any] = [text_pair] if isinstance(text_pair, str) or text_pair is None else list(text_pair)
        if text_pair is None:
            seconds = [None] * len(firsts)
        if len(firsts) != len(seconds):
            raise InputError(f"there are {len(firsts)} texts and {len(seconds)} second texts; expected as many")
        raw = [self._raw(a, b, options, add_special_tokens) for a, b in zip(firsts, seconds, strict=True)]
        wanted = {
            "token_type_ids": "token_type_ids" in self.model_input_names if return_token_type_ids is None else return_token_type_ids,
            "attention_mask": return_attention_mask is not False,
            "special_tokens_mask": return_special_tokens_mask,
            "offset_mapping": return_offsets_mapping,
            "length": return_length,
        }  # fmt: skip
        pad = None if padding in (False, None, "do_not_pad") else padding
        return batch_encoding(
            raw, wanted, pad, max_length or self.model_max_length, self.pad_token_id, return_tensors, single=single
        )

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
            InputError: not a text, a lone surrogate, text that the vocabulary cannot express, an unknown option, or
                one that cannot be used.
            TextTooLongError: more tokens than the limit, and truncation was not asked for.
        """
        options = options or {}
        unknown = set(options) - set(_TOKENIZER_OPTIONS)
        if unknown:
            raise InputError(
                f"tokenizer_kwargs has {', '.join(sorted(unknown))}; expected any of {', '.join(_TOKENIZER_OPTIONS)}"
            )
        raw = self._raw(text, pair, options, bool(options.get("add_special_tokens", True)))
        if len(raw.ids) > self.model_max_length and not any_length:
            raise TextTooLongError(
                f"the text has {len(raw.ids)} tokens and the model takes {self.model_max_length}; shorten it,"
                " or ask for a window round each mask (long_text='window', --long-text window)"
            )
        return Encoding.of(raw)

    def _raw(self, text: str, pair: str | None, options: Mapping[str, Any], add_special_tokens: bool) -> Any:
        """The `tokenizers.Encoding` of a text, or of two, truncated as the options say."""
        check_text(text)
        if pair is not None:
            check_text(pair)
        strategy, longest = truncation_of(options)
        raw = self.encode_raw(text, pair, add_special_tokens=add_special_tokens)
        limit = min(longest or self.model_max_length, self.model_max_length)
        if strategy != DO_NOT_TRUNCATE and len(raw.ids) > limit:
            raw = self._truncated(text, pair, limit, strategy, add_special_tokens)
        return raw

    def encode_each(self, texts: Sequence[str]) -> list[Encoding | InputError]:
        """Ids with special tokens of texts of any length, or the error of a text that cannot be encoded.

        The texts are encoded together, on all cores and without the GIL.
        """
        try:
            for text in texts:
                check_text(text)
            return [Encoding.of(raw) for raw in self.backend.encode_batch_fast(list(texts))]
        except Exception:  # one text spoils the batch: find out which
            encodings: list[Encoding | InputError] = []
            for text in texts:
                try:
                    encodings.append(self.encode_text(text, any_length=True))
                except InputError as error:
                    encodings.append(error)
            return encodings

    def encode_plain(self, texts: Sequence[str]) -> list[list[int] | None]:
        """Ids without special tokens of each text; None for a text that the vocabulary cannot express."""
        try:
            return [raw.ids for raw in self.backend.encode_batch_fast(list(texts), add_special_tokens=False)]
        except Exception:  # one text spoils the batch
            return [self.encode(text, add_special_tokens=False) if self._encodes(text) else None for text in texts]

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
        """Ids with special tokens and the words that they make up; see `fillmask.tokenization.words`.

        Raises:
            InputError: not a text, a lone surrogate, or text that the vocabulary cannot express.
        """
        check_text(text)
        raw = self.encode_raw(text)
        return WordEncoding(text, Encoding.of(raw), tuple(words_of(text, raw)))

    def _truncated(self, text: str, pair: str | None, limit: int, strategy: str, add_special_tokens: bool) -> Any:
        """A text, or two, cut to so many tokens, as the backend would cut if its truncation were set."""
        added = self.backend.num_special_tokens_to_add(pair is not None) if add_special_tokens else 0
        if limit < added:
            raise InputError(f"max_length is {limit}; expected {added} or more, as many as there are special tokens")
        first = self.encode_raw(text, add_special_tokens=False)
        second = None if pair is None else self.encode_raw(pair, add_special_tokens=False)
        lengths = kept_lengths(len(first.ids), None if second is None else len(second.ids), limit - added, strategy)
        first.truncate(lengths[0], direction=self.truncation_side)
        if second is not None:
            second.truncate(lengths[1], direction=self.truncation_side)
        return self.backend.post_process(first, second, add_special_tokens)

    def encode_windows(self, text: str, length: int) -> list[Any]:
        """A text as `tokenizers.Encoding`s of at most `length` tokens, each with its special tokens.

        Raises:
            InputError: the text cannot be encoded, or `length` has no room for a token of the text.
        """
        room = length - self.num_special_tokens_to_add()
        if room < 1:
            raise InputError(f"the length is {length}; expected room for a token beside the special tokens")
        first = self.encode_raw(text, add_special_tokens=False)
        first.truncate(room)
        return [self.backend.post_process(part, None, True) for part in (first, *first.overflowing)]

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        """Special tokens that are added to a text, or to a pair of texts."""
        return int(self.backend.num_special_tokens_to_add(pair))

    def encode(
        self,
        text: str,
        text_pair: str | None = None,
        add_special_tokens: bool = True,
        *,
        truncation: bool | str | None = None,
        max_length: int | None = None,
    ) -> list[int]:
        """Token ids of a text of any length, or of two."""
        options = {"truncation": truncation, "max_length": max_length}
        return list(self._raw(text, text_pair, options, add_special_tokens).ids)

    def tokenize(self, text: str) -> list[str]:
        """Tokens of a text, without special tokens."""
        return [str(self.backend.id_to_token(token_id)) for token_id in self.encode(text, add_special_tokens=False)]


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
        type_ids=files.type_ids,
    )
