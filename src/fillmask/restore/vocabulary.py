"""How a vocabulary spells text: which tokens may come next in a region, and in which state they end.

Three ways of writing are read: byte-level BPE (`Ġ` is a space; a token may be
part of a character), WordPiece (`##` goes on with a word; spaces are in no
token) and the `▁` of SentencePiece. The tokens stand in a trie, sorted, so that
all tokens that an automaton admits from a state are found level by level with
numpy: about a millisecond for 25,000 tokens. `Machine` is a region's automaton
seen through the vocabulary; machines are kept, since the same kinds of hole
come again and again.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from fillmask.engines import Floats
from fillmask.errors import InputError
from fillmask.restore.automaton import BREAK, DEAD, Automaton, Region, compile_region
from fillmask.restore.utf8 import byte_table
from fillmask.tokenizer import Tokenizer

Ids = npt.NDArray[np.int64]
Bits = npt.NDArray[np.bool_]

BYTES, WORDPIECE, METASPACE = "byte-level BPE", "WordPiece", "SentencePiece"
_META = "▁"
_KEPT = 16  # machines
_MANY = 0.1  # of the vocabulary
_FIRST = 256  # tokens
_SIDES = 512  # half-chosen rows of tokens whose states are kept
_LONG = 250  # states of an automaton over characters
BREAK_MARK = "\x00"


@dataclass(frozen=True, eq=False)
class Trie:
    """Distinct beginnings of tokens, level by level, each level sorted.

    Attributes:
        symbols: the last symbol of each node, one array a level.
        parents: the node's parent, as an index into the level before.
        first_child: for each node, where its children begin in the next level; one more at the end.
        token: the token that each node completes, as an index over all tokens, -1 for none; one array a level.
    """

    symbols: tuple[npt.NDArray[np.int32], ...]
    parents: tuple[npt.NDArray[np.int32], ...]
    first_child: tuple[npt.NDArray[np.int32], ...]
    token: tuple[npt.NDArray[np.int32], ...]

    @classmethod
    def of(cls, tokens: Sequence[Sequence[int]]) -> Trie:
        """The trie of tokens given as symbols, each of one symbol at least."""
        longest = max(map(len, tokens))
        matrix = np.full((len(tokens), longest), -1, np.int32)
        lengths = np.array([len(t) for t in tokens])
        for row, token in zip(matrix, tokens, strict=True):
            row[: len(token)] = token
        order = np.lexsort(matrix.T[::-1])
        matrix, lengths = matrix[order], lengths[order]
        symbols, parents, first_child, completed = [], [], [], []
        above = np.zeros(len(tokens), np.int32)  # the node of each token's beginning, one level up
        fresh = np.ones(len(tokens), bool)
        fresh[1:] = False
        for level in range(longest):
            here = lengths > level
            fresh[1:] |= matrix[1:, level] != matrix[:-1, level]
            begins = fresh & here
            # A token that ended above separates nothing: its row is sorted before those that go on.
            rows = np.flatnonzero(here)
            new = begins[rows]
            new[:1] = True
            number = np.cumsum(new).astype(np.int32) - 1
            heads = rows[new]
            symbols.append(matrix[heads, level])
            parents.append(above[heads])
            if level:
                count = len(symbols[level - 1])
                first_child.append(np.searchsorted(parents[level], np.arange(count + 1)).astype(np.int32))
            above = above.copy()
            above[rows] = number
            ending = rows[lengths[rows] == level + 1]
            completed.append(np.full(len(heads), -1, np.int32))
            completed[level][above[ending]] = order[ending]
        first_child.append(np.zeros(len(symbols[-1]) + 1, np.int32))
        return cls(tuple(symbols), tuple(parents), tuple(first_child), tuple(completed))

    def walk(
        self, table: npt.NDArray[np.int32], classes: npt.NDArray[np.int32] | None, start: int
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """The tokens that fit from `start`, in no order, and the state in which each ends.

        Args:
            table: state after each class.
            classes: the class of each symbol; None where symbols are classes.
        """
        tokens, ends = [], []
        nodes = np.arange(len(self.symbols[0]))
        before: npt.NDArray[np.int32] | int = start
        for level, symbols in enumerate(self.symbols):
            taken = symbols[nodes]
            states = table[before, taken if classes is None else classes[taken]]
            alive = np.flatnonzero(states)
            nodes, states = nodes[alive], states[alive]
            token = self.token[level][nodes]
            complete = token >= 0
            tokens.append(token[complete])
            ends.append(states[complete])
            if level + 1 == len(self.symbols) or not len(nodes):
                break
            first = self.first_child[level]
            counts = first[nodes + 1] - first[nodes]
            before = np.repeat(states, counts)
            nodes = _ranges(first[nodes], counts)
        return np.concatenate(tokens), np.concatenate(ends)


def _ranges(starts: npt.NDArray[np.int32], counts: npt.NDArray[np.int32]) -> Ids:
    """The numbers from each start on, so many of each, in a row."""
    total = int(counts.sum())
    offsets = np.repeat(starts - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts)
    return offsets + np.arange(total)


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
        decode = _byte_decoder()
        ids: list[int] = []
        spelled: list[str | bytes] = []
        for token, number in sorted(tokenizer.vocab.items(), key=lambda pair: pair[1]):
            if number in special or not token:
                continue
            if self.kind == BYTES:
                if all(c in decode for c in token):
                    ids.append(number)
                    spelled.append(bytes(decode[c] for c in token))
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
        self._machines: OrderedDict[Region, Machine] = OrderedDict()

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

    def machine(self, region: Region) -> Machine:
        """The region as this vocabulary spells it.

        Raises:
            InputError: nothing is admissible.
        """
        if region in self._machines:
            self._machines.move_to_end(region)
            return self._machines[region]
        automaton = compile_region(region, self.normalize)
        if self.kind == BYTES:
            # A hole of hundreds of characters has too many states to know each half-read character in each.
            table, starts = byte_table(automaton, ascii_only=len(automaton.table) > _LONG)
            machine = Machine(
                self._trie, self.ids, self.size, self._symbols, self._inside, automaton, table, None, starts
            )
        else:
            classes = np.array([_class(automaton, c) for c in self._letters], np.int32)
            states = np.arange(len(automaton.table), dtype=np.int32)
            machine = Machine(
                self._trie,
                self.ids,
                self.size,
                self._symbols,
                self._inside,
                automaton,
                automaton.table,
                classes,
                states,
            )
        self._machines[region] = machine
        if len(self._machines) > _KEPT:
            self._machines.popitem(last=False)
        return machine


def _class(automaton: Automaton, character: str) -> int:
    return automaton.classes.index(BREAK) if character == BREAK_MARK else automaton.class_of(character)


class Machine:
    """A region's automaton over tokens.

    A set of states is a row of booleans, (states,). `before` and `after` say
    from where and to where some number of free tokens lead.
    """

    def __init__(
        self,
        trie: Trie,
        ids: Ids,
        size: int,
        symbols: Callable[[int], Sequence[int]],
        inside: Bits,
        automaton: Automaton,
        table: npt.NDArray[np.int32],
        classes: npt.NDArray[np.int32] | None,
        plain: npt.NDArray[np.int32],
    ) -> None:
        self._trie = trie
        self._ids = ids
        self._size = size
        self._symbols = symbols
        self._inside = inside
        self._whole = np.zeros(len(table), bool)
        self._whole[plain] = True
        self._table = table
        self._classes = classes
        self.states = len(table)
        self.start = np.zeros(self.states, bool)
        self.start[plain[automaton.start]] = True
        self.accepting = np.zeros(self.states, bool)
        self.accepting[plain[np.flatnonzero(automaton.accepting)]] = True
        self.odd = np.zeros(self.states, np.int32)
        self.odd[plain] = automaton.odd
        self._remain = np.arange(self.states, dtype=np.int32)
        self._remain[plain] = plain[automaton.token_end]
        self._ends: dict[int, tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]] = {}
        self._after_all: dict[int, npt.NDArray[np.signedinteger[Any]]] = {}
        self._left_of: dict[tuple[int | None, ...], list[Bits]] = {}
        self._right_of: dict[tuple[int | None, ...], list[Bits]] = {}
        self._admitted: dict[tuple[bytes, bytes], Ids] = {}

    def ends(self, state: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """The tokens that fit after a state, by their index in the vocabulary's `ids`, and the state after each."""
        if state not in self._ends:
            tokens, ends = self._trie.walk(self._table, self._classes, state)
            ends = self._remain[ends]
            self._ends[state] = tokens[ends != DEAD], ends[ends != DEAD]
        return self._ends[state]

    @cached_property
    def _steps(self) -> npt.NDArray[np.bool_]:
        """Whether one token leads from a state to another, (states, states)."""
        steps = np.zeros((self.states, self.states), bool)
        todo = np.flatnonzero(self.start).tolist()
        seen = set(todo)
        while todo:
            state = todo.pop()
            steps[state, self.ends(state)[1]] = True
            for other in np.flatnonzero(steps[state]).tolist():
                if other not in seen:
                    seen.add(other)
                    todo.append(other)
        return steps

    def _through(self, states: npt.NDArray[np.int32], token: int) -> npt.NDArray[np.int32]:
        """The state after a token, from each of some states."""
        for symbol in self._symbols(token):
            states = self._table[states, symbol if self._classes is None else self._classes[symbol]]
        return self._remain[states]

    def after(self, states: Bits, token: int | None) -> Bits:
        """States after one more token: this one, or any."""
        if token is None:
            return np.asarray(self._steps[states].any(axis=0))
        found = np.zeros(self.states, bool)
        found[self._through(np.flatnonzero(states).astype(np.int32), token)] = True
        found[DEAD] = False
        return found

    def before(self, states: Bits, token: int | None) -> Bits:
        """States from which one token, this one or any, leads into `states`."""
        if token is None:
            return np.asarray(self._steps[:, states].any(axis=1))
        return states[self._through(np.arange(self.states, dtype=np.int32), token)]

    def admitted(self, left: Bits, right: Bits) -> Ids:
        """Tokens that lead from a state of `left` into one of `right`, ascending."""
        key = (left.tobytes(), right.tobytes())
        if key not in self._admitted:
            if len(self._admitted) > _SIDES:
                self._admitted.clear()
            fits = np.zeros(self._size, bool)
            for state in np.flatnonzero(left):
                tokens, ends = self.ends(int(state))
                fits[self._ids[tokens[right[ends]]]] = True
            self._admitted[key] = np.flatnonzero(fits)
        return self._admitted[key]

    def best(self, values: Floats, left: Bits, right: Bits, count: int) -> Ids:
        """Of the tokens that `admitted` gives, the `count` with the largest values, largest first; of equals, the lower.

        Args:
            values: one a token, (vocabulary,).
        """
        # Where much is admissible the best are among the first few hundred of all tokens.
        if int(self._weight[left].sum()) > _MANY * len(self._ids):
            border = (
                np.partition(values, len(values) - _FIRST)[len(values) - _FIRST] if len(values) > _FIRST else -np.inf
            )
            near = np.flatnonzero(values > border)
            fits = np.zeros(len(near), bool)
            # Half-read characters go on with tokens that begin inside a character, which are rarely among the best.
            states = left if self._inside[near].any() else left & self._whole
            for state in np.flatnonzero(states):
                fits |= right[self._dense(int(state))[near]]
            found = near[fits]
            if len(found) >= count:
                return found[largest(values[found], count)]
        admitted = self.admitted(left, right)
        return admitted[largest(values[admitted], count)]

    @cached_property
    def _weight(self) -> Ids:
        """How many tokens fit after each state, (states,)."""
        weight = np.zeros(self.states, np.int64)
        for state in np.flatnonzero(self._steps.any(axis=1)):
            weight[state] = len(self.ends(int(state))[0])
        return weight

    def _dense(self, state: int) -> npt.NDArray[np.signedinteger[Any]]:
        """The state after every token, 0 where it does not fit, (vocabulary,)."""
        if state not in self._after_all:
            tokens, ends = self.ends(state)
            self._after_all[state] = np.zeros(self._size, np.int16 if self.states < 1 << 15 else np.int32)
            self._after_all[state][self._ids[tokens]] = ends
        return self._after_all[state]

    def frontier(self, tokens: Sequence[int | None]) -> tuple[list[Bits], list[Bits]]:
        """For each place, the states that may come before it, and those from which the places after it can be filled.

        Args:
            tokens: the tokens of the region, None where one is still to be chosen.

        Returns:
            Two lists of len(tokens) + 1: states before place i (given what is chosen to its left), and states from
            which places i and on lead to the end (given what is chosen there).
        """
        return self._lefts(tuple(tokens)), self._rights(tuple(tokens))

    def _lefts(self, tokens: tuple[int | None, ...]) -> list[Bits]:
        known = self._left_of.get(tokens[:-1]) if tokens else None
        if not tokens:
            return [self.start]
        if known is None:
            before = self._lefts(tokens[:-1])
            self._left_of[tokens[:-1]] = before
        else:
            before = known
        return [*before, self.after(before[-1], tokens[-1])]

    def _rights(self, tokens: tuple[int | None, ...]) -> list[Bits]:
        if not tokens:
            return [self.accepting]
        after = self._right_of.get(tokens[1:])
        if after is None:
            after = self._rights(tokens[1:])
            if len(self._right_of) > _SIDES:
                self._right_of.clear()
                self._left_of.clear()
            self._right_of[tokens[1:]] = after
        return [self.before(after[0], tokens[0]), *after]

    def lengths(self, most: int) -> list[int]:
        """How many tokens, `most` at most, can fill the region."""
        found, states = [], self.start
        for count in range(most + 1):
            if (states & self.accepting).any():
                found.append(count)
            states = self.after(states, None)
            if not states.any():
                break
        return found

    def oddity(self, tokens: Sequence[int]) -> int:
        """How many unclear characters these tokens read otherwise than they look."""
        states = self.start
        for token in tokens:
            states = self.after(states, token)
        final = self.odd[states & self.accepting]
        return int(final.min()) if len(final) else 0


_kept: WeakKeyDictionary[Tokenizer, Vocabulary] = WeakKeyDictionary()


def vocabulary_of(tokenizer: Tokenizer) -> Vocabulary:
    """The tokenizer's vocabulary, built once."""
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
        return [p for one in inner for p in _parts(one)]
    return [part]


def _prefix_space(layout: dict[str, object]) -> bool:
    """Whether the tokenizer puts a space before a text that begins with none."""
    return any(
        part.get("add_prefix_space") is True
        or (part["type"] == "Metaspace" and part.get("prepend_scheme", "always") != "never")
        for part in _parts(layout["pre_tokenizer"])
    )


def _byte_decoder() -> dict[str, int]:
    """The byte that each character of a byte-level vocabulary stands for (GPT-2's table)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    return {chr(b): b for b in printable} | {chr(256 + n): b for n, b in enumerate(others)}


def _sort(end: str | bytes) -> str:
    """Letters, digits, or others; bytes of longer characters count as letters."""
    text = end.decode("latin-1") if isinstance(end, bytes) else end
    if text.isdigit():
        return "digit"
    return "letter" if text.isalpha() or ord(text) >= 128 else "other"


def largest(values: Floats, count: int) -> Ids:
    """Indices of the largest values, largest first; of equals, the lower index."""
    if len(values) > count:
        border = np.partition(values, len(values) - count)[len(values) - count]
        picked = np.flatnonzero(values >= border)
    else:
        picked = np.arange(len(values))
    return picked[np.argsort(-values[picked], kind="stable")][:count]
