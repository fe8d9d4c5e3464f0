"""A region's automaton over tokens: what may come next, what may stand between, and how many tokens it takes.

A set of states is a row of booleans, (states,). What is worked out is kept,
since a beam asks the same again and again, until its owner has it forgotten
for want of memory (`forget`). Several threads may ask one token_automaton: what is
shared is complete before it can be seen, and no one counts on its staying.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from fillmask.restore.decoding.automaton import DEAD, Automaton
from fillmask.restore.decoding.trie import Ids, Trie
from fillmask.runtime.engines import Floats

Bits = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.integer[Any]]

_MANY = 0.1  # of the vocabulary
_FIRST = 256  # tokens
_SIDES = 512  # half-chosen rows of tokens whose states are kept


class TokenAutomaton:
    """A region's automaton over tokens.

    A set of states is a row of booleans, (states,). `before` and `after` say
    from where and to where some number of free tokens lead.

    Args:
        grown: called when the automaton has come to keep more.

    Attributes:
        kept: bytes that `forget` would free, about.
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
        grown: Callable[[], None] | None = None,
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
        # The smallest types that hold a token and a state: what is kept is mostly these.
        self._of_token: type[np.integer[Any]] = np.uint16 if size < 1 << 16 else np.int32
        self._of_state: type[np.integer[Any]] = np.int16 if self.states < 1 << 15 else np.int32
        self._arcs: tuple[Ids, Numbers, Ids] | None = None
        self._lock = Lock()
        self._grown = grown
        self.forget()

    def forget(self) -> None:
        """Give up what can be worked out again."""
        with self._lock:
            self.kept = 0
            # After each state: the state after every token, (vocabulary,), where many fit; else those that fit, and the
            # state after each.
            self._full: dict[int, Numbers] = {}
            self._few: dict[int, tuple[Numbers, Numbers]] = {}
            self._left_of: dict[tuple[int | None, ...], list[Bits]] = {}
            self._right_of: dict[tuple[int | None, ...], list[Bits]] = {}
            self._admitted: dict[tuple[bytes, bytes], Numbers] = {}

    def _has_grown(self) -> None:
        if self._grown is not None:
            self._grown()

    def ends(self, state: int) -> tuple[Numbers, Numbers]:
        """The tokens that fit after a state, ascending, and the state after each."""
        full, few = self._full.get(state), self._few.get(state)
        if few is not None:
            return few
        if full is None:
            full = self._walked(state)
        tokens = np.flatnonzero(full)
        return tokens, full[tokens]

    def _dense(self, state: int) -> Numbers:
        """The state after every token, 0 where it does not fit, (vocabulary,)."""
        full, few = self._full.get(state), self._few.get(state)
        if full is None and few is not None:
            full = np.zeros(self._size, self._of_state)
            full[few[0]] = few[1]
        return self._walked(state) if full is None else full

    def _walked(self, state: int) -> Numbers:
        """The same, worked out, and kept in the form that takes less."""
        matches, ends = self._trie.walk(self._table, self._classes, state)
        full: Numbers = np.zeros(self._size, self._of_state)
        full[self._ids[matches]] = self._remain[ends]
        tokens: Numbers = np.flatnonzero(full).astype(self._of_token)
        many = len(tokens) * (tokens.itemsize + full.itemsize) >= full.nbytes
        with self._lock:
            if state not in self._full and state not in self._few:
                if many:
                    self._full[state] = full
                    self.kept += full.nbytes
                else:
                    self._few[state] = few = tokens, full[tokens]
                    self.kept += few[0].nbytes + few[1].nbytes
        self._has_grown()
        return full

    def prepare(self, check: Callable[[], None] | None = None) -> None:
        """Work out where tokens lead from every state that is reached, seconds for thousands of states.

        Args:
            check: called now and then; what it raises ends the work.
        """
        if self._arcs is not None:
            return
        following: dict[int, Numbers] = {}
        weight = np.zeros(self.states, np.int64)
        todo = np.flatnonzero(self.start).tolist()
        while todo:
            state = todo.pop()
            if state in following:
                continue
            if check is not None:
                check()
            ends = self.ends(state)[1]
            weight[state] = len(ends)
            following[state] = np.unique(ends)
            todo += [other for other in following[state].tolist() if other not in following]
        none = np.zeros(0, self._of_state)
        rows = [following.get(state, none) for state in range(self.states)]
        first = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
        self._arcs = first, np.concatenate(rows), weight

    def _all(self) -> tuple[Ids, Numbers, Ids]:
        """The states to which one token leads from each, in a row; where those of each state begin; how many tokens fit."""
        self.prepare()
        assert self._arcs is not None
        return self._arcs

    def _through(self, states: npt.NDArray[np.int32], token: int) -> npt.NDArray[np.int32]:
        """The state after a token, from each of some states."""
        for symbol in self._symbols(token):
            states = self._table[states, symbol if self._classes is None else self._classes[symbol]]
        return self._remain[states]

    def after(self, states: Bits, token: int | None) -> Bits:
        """States after one more token: this one, or any."""
        if token is None:
            first, to, _ = self._all()
            matches = np.zeros(self.states, bool)
            matches[to[np.repeat(states, np.diff(first))]] = True
            return matches
        matches = np.zeros(self.states, bool)
        matches[self._through(np.flatnonzero(states).astype(np.int32), token)] = True
        matches[DEAD] = False
        return matches

    def before(self, states: Bits, token: int | None) -> Bits:
        """States from which one token, this one or any, leads into `states`."""
        if token is None:
            first, to, _ = self._all()
            hits = np.concatenate([[0], np.cumsum(states[to])])
            return hits[first[1:]] > hits[first[:-1]]
        return states[self._through(np.arange(self.states, dtype=np.int32), token)]

    def admitted(self, left: Bits, right: Bits) -> Ids:
        """Tokens that lead from a state of `left` into one of `right`, ascending."""
        key = (left.tobytes(), right.tobytes())
        matches = self._admitted.get(key)
        if matches is None:
            fits = np.zeros(self._size, bool)
            for state in np.flatnonzero(left):
                tokens, ends = self.ends(int(state))
                fits[tokens[right[ends]]] = True
            matches = np.flatnonzero(fits).astype(np.int32)
            with self._lock:
                if len(self._admitted) > _SIDES:
                    self.kept -= sum(tokens.nbytes for tokens in self._admitted.values())
                    self._admitted = {}
                if key not in self._admitted:
                    self._admitted[key] = matches
                    self.kept += matches.nbytes
            self._has_grown()
        return matches.astype(np.int64)

    def best(self, values: Floats, left: Bits, right: Bits, count: int) -> Ids:
        """Of the tokens that `admitted` gives, the `count` with the largest values, largest first; of equals, the lower.

        Args:
            values: one a token, (vocabulary,).
        """
        # Where much is admissible the best are among the first few hundred of all tokens.
        if int(self._all()[2][left].sum()) > _MANY * len(self._ids):
            border = (
                np.partition(values, len(values) - _FIRST)[len(values) - _FIRST] if len(values) > _FIRST else -np.inf
            )
            near = np.flatnonzero(values > border)
            fits = np.zeros(len(near), bool)
            # Half-read characters go on with tokens that begin inside a character, which are rarely among the best.
            states = left if self._inside[near].any() else left & self._whole
            for state in np.flatnonzero(states):
                fits |= right[self._dense(int(state))[near]]
            matches = near[fits]
            if len(matches) >= count:
                return matches[largest(values[matches], count)]
        admitted = self.admitted(left, right)
        return admitted[largest(values[admitted], count)]

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
            if len(self._left_of) > _SIDES:
                self._left_of.clear()
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
            self._right_of[tokens[1:]] = after
        return [self.before(after[0], tokens[0]), *after]

    def lengths(self, most: int, check: Callable[[], None] | None = None) -> list[int]:
        """How many tokens, `most` at most, can fill the region; `check` as in `prepare`."""
        self.prepare(check)
        matches, states = [], self.start
        for count in range(most + 1):
            if (states & self.accepting).any():
                matches.append(count)
            states = self.after(states, None)
            if not states.any():
                break
        return matches

    def oddity(self, tokens: Sequence[int]) -> int:
        """How many unclear characters these tokens read otherwise than they look."""
        states = self.start
        for token in tokens:
            states = self.after(states, token)
        final = self.odd[states & self.accepting]
        return int(final.min()) if len(final) else 0


def largest(values: Floats, count: int) -> Ids:
    """Indices of the largest values, largest first; of equals, the lower index."""
    if len(values) > count:
        border = np.partition(values, len(values) - count)[len(values) - count]
        picked = np.flatnonzero(values >= border)
    else:
        picked = np.arange(len(values))
    return picked[np.argsort(-values[picked], kind="stable")][:count]
