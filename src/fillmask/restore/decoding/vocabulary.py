"""How a vocabulary spells text: which tokens may come next in a region, and in which state they end.

Three ways of writing are read: byte-level BPE (`Ġ` is a space; a token may be
part of a character), WordPiece (`##` goes on with a word; spaces are in no
token) and the `▁` of SentencePiece. The tokens stand in a trie, sorted, so that
all tokens that an automaton admits from a state are found level by level with
numpy: about a millisecond for 25,000 tokens. `TokenAutomaton` is a region's automaton
seen through the vocabulary; token_automata are kept, since the same kinds of hole
come again and again.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from threading import Lock
from weakref import WeakKeyDictionary

import numpy as np

from fillmask.errors import InputError
from fillmask.restore.decoding.automaton import BREAK, Automaton, Region
from fillmask.restore.decoding.compilation import compile_region
from fillmask.restore.decoding.token_automaton import TokenAutomaton
from fillmask.restore.decoding.trie import Ids, Trie
from fillmask.restore.decoding.utf8 import byte_table
from fillmask.tokenization.byte_alphabet import bytes_of
from fillmask.tokenization.tokenizer import Tokenizer

BYTES, WORDPIECE, METASPACE = "byte-level BPE", "WordPiece", "SentencePiece"
_META = "▁"
_KEPT = 48  # token_automata: the holes and layouts of a group, and some
_MOST_KEPT = 256 << 20  # bytes of what they have worked out, of all together
_LONG = 250  # states of an automaton over characters
BREAK_MARK = "\x00"


class Vocabulary:
    """The tokens of a tokenizer as symbols: bytes, or characters.

    Use `vocabulary_of`, which keeps one a tokenizer.

    Raises:
        InputError: the tokenizer writes in a way that is not known here.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._backend = tokenizer.backend
        layout = json.loads(tokenizer.backend.to_str())
        self.kind = _kind(layout)
        self.size = len(tokenizer)
        self.prefix_space = _prefix_space(layout)
        self._continuing: str = layout["model"].get("continuing_subword_prefix") or "##"
        special = {token["id"] for token in layout["added_tokens"]}
        ids: list[int] = []
        spelled: list[str | bytes] = []
        for token, number in sorted(tokenizer.vocab.items(), key=lambda pair: pair[1]):
            if number in special or not token:
                continue
            if self.kind == BYTES:
                if (raw := bytes_of(token)) is not None:
                    ids.append(number)
                    spelled.append(raw)
            elif not (self.kind == METASPACE and token.startswith("<0x")):
                text = self._characters(token)
                if text.strip(BREAK_MARK) and token not in ("<unk>", "[UNK]"):
                    ids.append(number)
                    spelled.append(text)
        if not ids:
            raise InputError("the tokenizer has no tokens that spell text; restore needs a vocabulary of sub-words")
        self.ids: Ids = np.array(ids, np.int64)
        self._spelled = dict(zip(ids, spelled, strict=True))
        self._letters = sorted({c for text in spelled if isinstance(text, str) for c in text})
        self._numbers = {c: n for n, c in enumerate(self._letters)}
        self._trie = Trie.of([self._symbols(token) for token in ids])
        # Whether a token begins inside a character, (vocabulary,).
        self._inside = np.zeros(self.size, bool)
        for number, piece in self._spelled.items():
            self._inside[number] = isinstance(piece, bytes) and 0x80 <= piece[0] < 0xC0
        self._lock = Lock()  # a server asks from several threads
        self._token_automata: OrderedDict[Region, TokenAutomaton] = OrderedDict()

    def _characters(self, token: str) -> str:
        if self.kind == METASPACE:
            return token.replace(_META, " ")
        if token.startswith(self._continuing) and token != self._continuing:
            return token[len(self._continuing) :]
        return BREAK_MARK + token

    def _symbols(self, token: int) -> Sequence[int]:
        text = self._spelled[token]
        return list(text) if isinstance(text, bytes) else [self._numbers[c] for c in text]

    def spelled(self, token: int) -> str | bytes:
        """The characters (or bytes) of a token; in WordPiece one that begins a word starts with `BREAK_MARK`."""
        return self._spelled[token]

    def spelled_or_none(self, token: int) -> str | bytes | None:
        """The same, or None for a token that spells nothing, such as a special one."""
        return self._spelled.get(token)

    def begins_word(self, token: int, before: int | None) -> bool:
        """Whether a token begins a word, or a run of punctuation or digits, after the token before it."""
        text, end = self._spelled.get(token), self._spelled.get(-1 if before is None else before)
        if text is None or end is None or text[:1] in (b" ", " ", BREAK_MARK):
            return True
        if self.kind == WORDPIECE:
            return False
        return _sort(text[:1]) != _sort(end[-1:])

    def normalize(self, character: str) -> str:
        """One character as the vocabulary writes it; white ones as they are."""
        if self.kind == BYTES or self._backend.normalizer is None:
            return character
        if character.isspace():
            return " " if self.kind == WORDPIECE else character
        written: str = self._backend.normalizer.normalize_str(character)
        return written.replace(_META, "").strip()

    def token_automaton(self, region: Region, check: Callable[[], None] | None = None) -> TokenAutomaton:
        """The region as this vocabulary spells it.

        Args:
            check: called while it is made; what it raises ends the work.

        Raises:
            InputError: nothing is admissible.
        """
        with self._lock:
            if region in self._token_automata:
                self._token_automata.move_to_end(region)
                return self._token_automata[region]
        automaton = compile_region(region, self.normalize, check)
        classes = None
        if self.kind == BYTES:
            # A hole of hundreds of characters has too many states to know each half-read character in each.
            table, states = byte_table(automaton, ascii_only=len(automaton.table) > _LONG)
        else:
            table, states = automaton.table, np.arange(len(automaton.table), dtype=np.int32)
            classes = np.array([_class(automaton, c) for c in self._letters], np.int32)
        token_automaton = TokenAutomaton(
            self._trie,
            self.ids,
            self.size,
            self._symbols,
            self._inside,
            automaton,
            table,
            classes,
            states,
            self._bound,
        )
        with self._lock:
            if region in self._token_automata:  # made by another thread meanwhile
                self._token_automata.move_to_end(region)
                return self._token_automata[region]
            self._token_automata[region] = token_automaton
            if len(self._token_automata) > _KEPT:
                self._token_automata.popitem(last=False)
        return token_automaton

    def _bound(self) -> None:
        """Have the token_automata that were not asked for longest forget what they worked out, where all keep too much."""
        with self._lock:
            token_automata = list(self._token_automata.values())
        total = sum(token_automaton.kept for token_automaton in token_automata)
        for token_automaton in token_automata:
            if total <= _MOST_KEPT:
                break
            total -= token_automaton.kept
            token_automaton.forget()


def _class(automaton: Automaton, character: str) -> int:
    return automaton.classes.index(BREAK) if character == BREAK_MARK else automaton.class_of(character)


_kept: WeakKeyDictionary[Tokenizer, Vocabulary] = WeakKeyDictionary()
_lock = Lock()


def vocabulary_of(tokenizer: Tokenizer) -> Vocabulary:
    """The tokenizer's vocabulary, built once."""
    with _lock:
        if tokenizer not in _kept:
            _kept[tokenizer] = Vocabulary(tokenizer)
        return _kept[tokenizer]


def _kind(layout: dict[str, object]) -> str:
    """How the tokenizer writes, from its tokenizer.json.

    Raises:
        InputError: in none of the three ways.
    """
    model = layout["model"]
    assert isinstance(model, dict)
    parts = _parts(layout["pre_tokenizer"]) + _parts(layout["decoder"]) + _parts(layout["normalizer"])
    names = {part["type"] for part in parts}
    if model["type"] == "WordPiece":
        return WORDPIECE
    if "ByteLevel" in names:
        return BYTES
    if "Metaspace" in names or any(part.get("content") == _META for part in parts):
        return METASPACE
    raise InputError(
        f"the tokenizer is a {model['type']} of a kind that restore cannot spell with; expected byte-level BPE,"
        " WordPiece, or SentencePiece's ▁"
    )


def _parts(part: object) -> list[dict[str, object]]:
    """The parts of a pre-tokenizer, decoder or normalizer, those of a sequence one by one."""
    if not isinstance(part, dict):
        return []
    if part.get("type") == "Sequence":
        inner = part.get("pretokenizers") or part.get("decoders") or part.get("normalizers") or []
        return [p for part in inner for p in _parts(part)]
    return [part]


def _prefix_space(layout: dict[str, object]) -> bool:
    """Whether the tokenizer puts a space before a text that begins with none."""
    return any(
        part.get("add_prefix_space") is True
        or (part["type"] == "Metaspace" and part.get("prepend_scheme", "always") != "never")
        for part in _parts(layout["pre_tokenizer"])
    )


def _sort(end: str | bytes) -> str:
    """Letters, digits, or others; bytes of longer characters count as letters."""
    text = end.decode("latin-1") if isinstance(end, bytes) else end
    if text.isdigit():
        return "digit"
    return "letter" if text.isalpha() or ord(text) >= 128 else "other"
