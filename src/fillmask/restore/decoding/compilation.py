"""Compiles a region to its automaton: determinizes the graph of its hole, and trims it.

An automaton that would be too large is cut off, and one that accepts more is
made in its place (`Automaton.exact`): what it proposes must still be held
against the hole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from fillmask.errors import InputError
from fillmask.restore.damage import Element, Known, Lost
from fillmask.restore.decoding.automaton import (
    BREAK,
    DEAD,
    OTHER,
    OTHER_CUT,
    OTHER_WHITE,
    Automaton,
    Region,
    is_cut,
)
from fillmask.restore.decoding.hole_graph import Arc, hole_graph, unchanged

# A hole of a thousand characters has 3,000 states; their work is the number of places in the graph that they stand for.
_MOST_STATES = 5_000
_MOST_WORK = 80_000
_OFTEN = 64  # states between two calls of `check`

# What a character does to the boundaries: nothing read yet, a space, another white character, or a character; the
# last kind is one that a tokenizer cuts off from its neighbours (punctuation, in WordPiece).
_START, _SPACE, _WHITE, _PLAIN, _CUT = range(5)
# How a WordPiece token joins what is before it: it goes on, begins with nothing between, or begins after a space.
_ON, _JOINED, _SPACED = range(3)

# An element of a state: node, boundary before it, joint; and the fewest odd readings on the way to it.
_Element = tuple[int, int, int]
_Set = frozenset[tuple[_Element, int]]


class _Determinizer:
    def __init__(
        self,
        region: Region,
        elements: Sequence[Element],
        normalize: Callable[[str], str],
        check: Callable[[], None] | None,
    ) -> None:
        self.region = region
        self.check = check
        self.graph = hole_graph(region, elements, normalize)
        characters = {a.character for arcs in self.graph.arcs for a in arcs if a.character is not None}
        self.own = sorted(characters | {" ", "\n"})
        self.classes = (*self.own, OTHER, OTHER_CUT, OTHER_WHITE, BREAK)

    def closed(self, elements: dict[_Element, int]) -> _Set:
        """With everything that is reached without a character."""
        todo = list(elements.items())
        while todo:
            (node, before, joint), odd = todo.pop()
            for following in self.graph.skips[node]:
                if following == self.graph.edge and before in (_SPACE, _WHITE):
                    continue  # a reading does not end in a space
                after = _START if following == self.graph.inner else before if self.graph.inside[following] else _PLAIN
                element = (following, after, joint)
                if elements.get(element, odd + 1) > odd:
                    elements[element] = odd
                    todo.append((element, odd))
        return frozenset(elements.items())

    def after(self, state: _Set, kind: str) -> _Set:
        if kind == BREAK:
            return self._after_break(state) if self.region.breaks else frozenset()
        reached: dict[_Element, int] = {}
        own = len(kind) == 1
        white = kind.isspace() if own else kind == OTHER_WHITE
        cut = self.region.breaks and (is_cut(kind) if own else kind == OTHER_CUT)
        boundary = (_SPACE if kind == " " else _WHITE) if white else _CUT if cut else _PLAIN
        for (node, before, joint), odd in state:
            if self.region.breaks and not self._joins(before, joint, cut, white):
                continue
            for arc in self.graph.arcs[node]:
                inside = self.graph.inside[node]
                if inside and ((white and before == _START) or (kind == " " and before == _SPACE)):
                    continue  # no space at the beginning, nor two in a row
                more = _odd(arc, kind, white, own)
                if more is None:
                    continue
                element = (arc.target, boundary if self.graph.inside[arc.target] else _PLAIN, _ON)
                if reached.get(element, odd + more + 1) > odd + more:
                    reached[element] = odd + more
        return self.closed(reached)

    def _joins(self, before: int, joint: int, cut: bool, white: bool) -> bool:
        """WordPiece: whether a character may follow; words are cut at spaces and on both sides of punctuation."""
        if white:
            return False  # spaces are in no token
        if joint == _ON:
            return before == _PLAIN and not cut
        if joint == _SPACED:
            return True
        return before in (_CUT, _START) or cut

    def _after_break(self, state: _Set) -> _Set:
        reached: dict[_Element, int] = {}
        for (node, before, joint), odd in state:
            if joint != _ON:
                continue
            reached[(node, before, _JOINED)] = odd
            if not self.graph.inside[node] or before in (_START, _SPACE):
                continue
            for arc in self.graph.arcs[node]:
                if _odd(arc, " ", True, True) is not None:
                    element = (arc.target, _SPACE, _SPACED)
                    reached[element] = min(odd, reached.get(element, odd))
        return self.closed(reached)

    def token_end(self, state: _Set) -> _Set:
        """Without the readings by which a token ends at an edge that it must reach across."""
        region, kept = self.region, state
        if region.across_lead:
            kept = frozenset((e, o) for e, o in kept if not (self.graph.inside[e[0]] and e[1] == _START))
        if region.across_tail:
            # At the edge itself, or where only a skip is between.
            kept = frozenset((e, o) for e, o in kept if e[0] != self.graph.edge)
        return kept

    def run(self) -> Automaton:
        if self.region.across_tail or self.region.across_lead:
            return self._table(self.token_end)
        return self._table(None)

    def _table(self, ends: Callable[[_Set], _Set] | None) -> Automaton:
        start = self.closed({(self.graph.first, _START, _ON): 0})
        numbers: dict[_Set, int] = {frozenset(): DEAD, start: 1}
        states = [frozenset(), start]
        rows: list[list[int]] = [[DEAD] * len(self.classes)]
        remain = [DEAD]
        at = 1

        def number(state: _Set) -> int:
            if state not in numbers:
                numbers[state] = len(states)
                states.append(state)
            return numbers[state]

        work = 0
        while at < len(states):
            if self.check is not None and at % _OFTEN == 0:
                self.check()
            state = states[at]
            work += len(state)
            # Targets are many and end in few states each.
            if self.region.hole.targets is None and (len(states) > _MOST_STATES or work > _MOST_WORK):
                raise _TooLargeError
            rows.append([number(self.after(state, kind)) for kind in self.classes])
            remain.append(at if ends is None else number(ends(state)))
            at += 1
        odd = np.zeros(len(states), np.int32)
        accepting = np.zeros(len(states), bool)
        for n, state in enumerate(states):
            final = [o for (node, _, joint), o in state if node == self.graph.last and joint == _ON]
            if final:
                accepting[n], odd[n] = True, min(final)
        return _trimmed(
            Automaton(self.classes, np.array(rows, np.int32), 1, accepting, odd, np.array(remain, np.int32))
        )


def _odd(arc: Arc, kind: str, white: bool, own: bool) -> int | None:
    """What the arc costs for a character of this class; None where it does not admit it."""
    if arc.character is not None:
        if own and kind == arc.character:
            return 0
        return 1 if arc.unclear and not white else None
    if white and (not arc.white or kind == "\n"):
        return None
    return 0


def _trimmed(automaton: Automaton) -> Automaton:
    """Without the states that cannot be completed any more."""
    table = automaton.table
    alive = automaton.accepting.copy()
    while True:
        more = alive | alive[table].any(axis=1) | alive[automaton.token_end]
        more[DEAD] = False
        if (more == alive).all():
            break
        alive = more
    if not alive[automaton.start]:
        raise InputError("nothing can stand in the hole: no text meets its conditions")
    kept = np.flatnonzero(alive)
    numbers = np.zeros(len(table), np.int32)
    numbers[kept] = np.arange(1, len(kept) + 1)
    kept = np.concatenate([[DEAD], kept])
    return Automaton(
        automaton.classes,
        numbers[table[kept]],
        int(numbers[automaton.start]),
        automaton.accepting[kept],
        automaton.odd[kept],
        numbers[automaton.token_end[kept]],
    )


class _TooLargeError(Exception):
    """An automaton has more states than are of use."""


def compile_region(
    region: Region, normalize: Callable[[str], str] = unchanged, check: Callable[[], None] | None = None
) -> Automaton:
    """The automaton of a region, or one that accepts more where its own would be too large.

    Args:
        normalize: how the tokenizer writes a character (lower-cased, without accents, …).
        check: called now and then; what it raises ends the work.

    Raises:
        InputError: nothing is admissible, for instance because no target fits the letters that are known; or a token
            must reach across the hole's edge, and the automaton would be too large.
    """
    elements = region.hole.elements
    try:
        return _Determinizer(region, elements, normalize, check).run()
    except _TooLargeError:
        if region.across_lead or region.across_tail:
            raise InputError("the hole has too many ways of reaching across its edge") from None
    for loosened in (_unbounded(elements, ranges=True), _unbounded(elements), _ends_only(elements)):
        try:
            return replace(_Determinizer(region, loosened, normalize, check).run(), exact=False)
        except _TooLargeError:
            continue
    raise InputError("the hole has too many readings to look through: thousands of its letters survive")


def _unbounded(elements: Sequence[Element], *, ranges: bool = False) -> list[Element]:
    """With losses of any length: those of a range, or all."""
    return [
        replace(e, least=min(e.least, 1), most=None)
        if isinstance(e, Lost) and not (ranges and e.least == e.most)
        else e
        for e in elements
    ]


def _ends_only(elements: Sequence[Element]) -> list[Element]:
    """The letters at the two ends of a hole, and anything between."""
    first, last = elements[0], elements[-1]
    reached: list[Element] = [Lost(0, None, True)]
    if isinstance(first, Known) and first.certain:
        reached.insert(0, first)
    if isinstance(last, Known) and last.certain and len(elements) > 1:
        reached.append(last)
    return reached
