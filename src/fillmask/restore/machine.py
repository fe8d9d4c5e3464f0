"""A region's automaton over tokens: what may come next, what may stand between, and how many tokens it takes.

A set of states is a row of booleans, (states,). Everything that is worked out
is kept, since a beam asks the same again and again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from fillmask.engines import Floats
from fillmask.restore.automaton import DEAD, Automaton
from fillmask.restore.trie import Ids, Trie

Bits = npt.NDArray[np.bool_]

_MANY = 0.1  # of the vocabulary
_FIRST = 256  # tokens
_SIDES = 512  # half-chosen rows of tokens whose states are kept


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
        found = self._admitted.get(key)
        if found is None:
            fits = np.zeros(self._size, bool)
            for state in np.flatnonzero(left):
                tokens, ends = self.ends(int(state))
                fits[self._ids[tokens[right[ends]]]] = True
            found = np.flatnonzero(fits)
            if len(self._admitted) > _SIDES:
                self._admitted.clear()
            self._admitted[key] = found
        return found

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


def largest(values: Floats, count: int) -> Ids:
    """Indices of the largest values, largest first; of equals, the lower index."""
    if len(values) > count:
        border = np.partition(values, len(values) - count)[len(values) - count]
        picked = np.flatnonzero(values >= border)
    else:
        picked = np.arange(len(values))
    return picked[np.argsort(-values[picked], kind="stable")][:count]
