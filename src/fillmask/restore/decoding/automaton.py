"""A hole as a finite automaton: which characters may come next, and when the hole is full.

`compile_region` turns a `Hole`, with the few characters beside it that a token
may swallow, into a table: states, classes of characters, and the state that
each class leads to. The automaton is deterministic, trimmed (every state can
still be completed) and exact: it accepts what `Hole.admits` accepts. It knows
characters; how a vocabulary spells them is for `vocabulary` to say.

Two losses of uncertain length in one word, a letter between them, may need a
state for every set of places where that letter may have been. Such an automaton
is cut off, and one that accepts more is made in its stead (`Automaton.exact`):
what is proposed by it must still be held against the hole.

An unclear character admits any other that is not a space; each accepting state
knows the fewest that were read otherwise than they look.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import numpy.typing as npt

from fillmask.errors import InputError
from fillmask.restore.damage import Element, Hole, Known, Lost, cases

States = npt.NDArray[np.int32]
DEAD = 0

# A hole of a thousand characters has 3,000 states; their work is the number of places in the graph that they stand for.
_MOST_STATES = 5_000
_MOST_WORK = 80_000
_OFTEN = 64  # states between two calls of `check`

# What a character does to the boundaries: nothing read yet, a space, another white character, or a character; the
# last kind is one that a tokenizer cuts off from its neighbours (punctuation, in WordPiece).
_START, _SPACE, _WHITE, _PLAIN, _CUT = range(5)
# How a WordPiece token joins what is before it: it goes on, begins with nothing between, or begins after a space.
_ON, _JOINED, _SPACED = range(3)

OTHER = "other"
OTHER_CUT = "other, cut off"
OTHER_WHITE = "other white"
BREAK = "break"  # where a WordPiece token begins a word


@dataclass(frozen=True)
class Region:
    """What the tokens of a hole have to spell.

    Attributes:
        hole: the hole.
        lead: characters before the hole that are spelled with it: the space that its first token takes, or punctuation.
        tail: punctuation after the hole that is spelled with it.
        across_lead: a token must reach from `lead` into the hole: none may end where the hole begins.
        across_tail: the same at the hole's end.
        breaks: words are told apart as in WordPiece, by tokens that begin them and not by spaces.
    """

    hole: Hole
    lead: str = ""
    tail: str = ""
    across_lead: bool = False
    across_tail: bool = False
    breaks: bool = False


@dataclass(frozen=True, eq=False)
class Automaton:
    """The table of a region.

    Attributes:
        classes: the characters that have a class of their own, then `OTHER`, `OTHER_CUT`, `OTHER_WHITE`, `BREAK`.
        table: the state after each class, (states, classes); 0 is the state without a way out.
        start: the first state.
        accepting: whether a state may be the last, (states,).
        odd: in an accepting state, how many unclear characters were read otherwise than they look, (states,).
        token_end: the state that remains when a token ends in a state, (states,); another one, or 0, where a token must
            reach across the hole's edge.
        exact: whether it accepts nothing that the hole does not admit.
    """

    classes: tuple[str, ...]
    table: States
    start: int
    accepting: npt.NDArray[np.bool_]
    odd: States
    token_end: States
    exact: bool = True

    def class_of(self, character: str) -> int:
        """The class of a character."""
        if character in self.classes:
            return self.classes.index(character)
        kind = OTHER_WHITE if character.isspace() else OTHER_CUT if is_cut(character) else OTHER
        return self.classes.index(kind)

    def admits(self, text: str) -> bool:
        """Whether the automaton accepts `text`, spelled in full (with lead and tail; not for one with breaks)."""
        state = self.start
        for character in text:
            state = int(self.table[state, self.class_of(character)])
        return bool(self.accepting[state])


@cache
def is_cut(character: str) -> bool:
    """Whether BERT's pre-tokenizer makes a word of this character alone: punctuation and Chinese characters."""
    code = ord(character)
    if 33 <= code <= 47 or 58 <= code <= 64 or 91 <= code <= 96 or 123 <= code <= 126:
        return True
    if unicodedata.category(character).startswith("P"):
        return True
    return (
        0x4E00 <= code <= 0x9FFF
        or 0x3400 <= code <= 0x4DBF
        or 0x20000 <= code <= 0x2CEAF
        or 0xF900 <= code <= 0xFAFF
        or 0x2F800 <= code <= 0x2FA1F
    )


@dataclass(frozen=True)
class _Arc:
    """One step: `character` itself; or, with none, any character that is not a space (`white` = False) or no newline."""

    character: str | None
    white: bool
    unclear: bool
    target: int


class _Graph:
    """Nodes and arcs of a hole, not yet deterministic."""

    def __init__(self) -> None:
        self.arcs: list[list[_Arc]] = []
        self.skips: list[list[int]] = []
        self.inside: list[bool] = []

    def node(self, inside: bool) -> int:
        self.arcs.append([])
        self.skips.append([])
        self.inside.append(inside)
        return len(self.arcs) - 1

    def text(
        self,
        start: int,
        text: str,
        inside: bool,
        normalize: Callable[[str], str],
        certain: bool = True,
        any_case: bool = False,
    ) -> int:
        """A chain for `text`, character by character as the vocabulary writes them; returns its last node."""
        at = start
        for character in text:
            written = normalize(character)
            if not written:
                continue
            for one in written:
                following = self.node(inside)
                # An unclear space is a space: the notation says where words end.
                for case in cases(one) if any_case else one:
                    self.arcs[at].append(_Arc(case, False, not certain and one != " ", following))
                at = following
        return at

    def lost(self, start: int, element: Lost) -> int:
        at = start
        for _ in range(element.least):
            following = self.node(True)
            self.arcs[at].append(_Arc(None, element.spaces, False, following))
            at = following
        if element.most is None:
            self.arcs[at].append(_Arc(None, element.spaces, False, at))
            return at
        end = self.node(True)
        for _ in range(element.most - element.least):
            self.skips[at].append(end)
            following = self.node(True)
            self.arcs[at].append(_Arc(None, element.spaces, False, following))
            at = following
        self.skips[at].append(end)
        return end


def _graph(
    region: Region, elements: Sequence[Element], normalize: Callable[[str], str]
) -> tuple[_Graph, int, int, int, int]:
    """The graph with its first node, the hole's two ends, and its last node."""
    graph = _Graph()
    first = graph.node(False)
    # The lead and tail are written as the tokens write them already.
    begin = graph.text(first, region.lead, False, _same)
    inner = graph.node(True)
    graph.skips[begin].append(inner)
    if region.hole.targets is None:
        at = inner
        for element in elements:
            if isinstance(element, Known):
                at = graph.text(at, element.text, True, normalize, element.certain, region.hole.any_case)
            else:
                at = graph.lost(at, element)
    else:
        at = graph.node(True)
        for target in region.hole.targets:
            if region.hole.admits(target):
                graph.skips[graph.text(inner, target, True, normalize, any_case=region.hole.any_case)].append(at)
    edge = graph.node(False)
    graph.skips[at].append(edge)
    last = graph.text(edge, region.tail, False, _same)
    return graph, first, inner, edge, last


def _same(character: str) -> str:
    return character


# An element of a state: node, boundary before it, joint; and the fewest odd readings on the way to it.
_Element = tuple[int, int, int]
_Set = frozenset[tuple[_Element, int]]


class _Determiniser:
    def __init__(
        self,
        region: Region,
        elements: Sequence[Element],
        normalize: Callable[[str], str],
        check: Callable[[], None] | None,
    ) -> None:
        self.region = region
        self.check = check
        self.graph, self.first, self.inner, self.edge, self.last = _graph(region, elements, normalize)
        characters = {a.character for arcs in self.graph.arcs for a in arcs if a.character is not None}
        self.own = sorted(characters | {" ", "\n"})
        self.classes = (*self.own, OTHER, OTHER_CUT, OTHER_WHITE, BREAK)

    def closed(self, elements: dict[_Element, int]) -> _Set:
        """With everything that is reached without a character."""
        todo = list(elements.items())
        while todo:
            (node, before, joint), odd = todo.pop()
            for following in self.graph.skips[node]:
                if following == self.edge and before in (_SPACE, _WHITE):
                    continue  # a reading does not end in a space
                after = _START if following == self.inner else before if self.graph.inside[following] else _PLAIN
                element = (following, after, joint)
                if elements.get(element, odd + 1) > odd:
                    elements[element] = odd
                    todo.append((element, odd))
        return frozenset(elements.items())

    def after(self, state: _Set, kind: str) -> _Set:
        if kind == BREAK:
            return self._after_break(state) if self.region.breaks else frozenset()
        found: dict[_Element, int] = {}
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
                if found.get(element, odd + more + 1) > odd + more:
                    found[element] = odd + more
        return self.closed(found)

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
        found: dict[_Element, int] = {}
        for (node, before, joint), odd in state:
            if joint != _ON:
                continue
            found[(node, before, _JOINED)] = odd
            if not self.graph.inside[node] or before in (_START, _SPACE):
                continue
            for arc in self.graph.arcs[node]:
                if _odd(arc, " ", True, True) is not None:
                    element = (arc.target, _SPACE, _SPACED)
                    found[element] = min(odd, found.get(element, odd))
        return self.closed(found)

    def token_end(self, state: _Set) -> _Set:
        """Without the readings by which a token ends at an edge that it must reach across."""
        region, kept = self.region, state
        if region.across_lead:
            kept = frozenset((e, o) for e, o in kept if not (self.graph.inside[e[0]] and e[1] == _START))
        if region.across_tail:
            # At the edge itself, or where only a skip is between.
            kept = frozenset((e, o) for e, o in kept if e[0] != self.edge)
        return kept

    def run(self) -> Automaton:
        if self.region.across_tail or self.region.across_lead:
            return self._table(self.token_end)
        return self._table(None)

    def _table(self, ends: Callable[[_Set], _Set] | None) -> Automaton:
        start = self.closed({(self.first, _START, _ON): 0})
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
            final = [o for (node, _, joint), o in state if node == self.last and joint == _ON]
            if final:
                accepting[n], odd[n] = True, min(final)
        return _trimmed(
            Automaton(self.classes, np.array(rows, np.int32), 1, accepting, odd, np.array(remain, np.int32))
        )


def _odd(arc: _Arc, kind: str, white: bool, own: bool) -> int | None:
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
    region: Region, normalize: Callable[[str], str] = _same, check: Callable[[], None] | None = None
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
        return _Determiniser(region, elements, normalize, check).run()
    except _TooLargeError:
        if region.across_lead or region.across_tail:
            raise InputError("the hole has too many ways of reaching across its edge") from None
    for loosened in (_unbounded(elements, ranges=True), _unbounded(elements), _ends_only(elements)):
        try:
            return replace(_Determiniser(region, loosened, normalize, check).run(), exact=False)
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
    found: list[Element] = [Lost(0, None, True)]
    if isinstance(first, Known) and first.certain:
        found.insert(0, first)
    if isinstance(last, Known) and last.certain and len(elements) > 1:
        found.append(last)
    return found
