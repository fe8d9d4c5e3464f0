"""The beginnings of a vocabulary's tokens, and a walk of an automaton over all of them at once.

Tokens are rows of symbols (bytes or characters); this file knows nothing of
what they mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int64]


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
