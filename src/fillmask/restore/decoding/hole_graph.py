"""A hole as a graph of characters: which may follow which, not yet deterministic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fillmask.restore.damage import Element, Known, Lost, cases
from fillmask.restore.decoding.automaton import Region


@dataclass(frozen=True)
class Arc:
    """One step: `character` itself; or, with none, any character that is not a space (`white` = False) or no newline."""

    character: str | None
    white: bool
    unclear: bool
    target: int


class HoleGraph:
    """Nodes and arcs of a region.

    Attributes:
        arcs: of each node.
        skips: nodes that are reached from each without a character.
        inside: whether each node is in the hole.
        first, last: where the region begins and ends.
        inner, edge: where the hole begins and ends.
    """

    def __init__(self) -> None:
        self.arcs: list[list[Arc]] = []
        self.skips: list[list[int]] = []
        self.inside: list[bool] = []
        self.first = self.inner = self.edge = self.last = 0

    def node(self, inside: bool) -> int:
        """Add a node; returns its number."""
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
        """Add a chain for `text`, character by character as the vocabulary writes them; returns its last node."""
        at = start
        for character in text:
            written = normalize(character)
            if not written:
                continue
            for letter in written:
                following = self.node(inside)
                # An unclear space is a space: the notation says where words end.
                for case in cases(letter) if any_case else letter:
                    self.arcs[at].append(Arc(case, False, not certain and letter != " ", following))
                at = following
        return at

    def lost(self, start: int, element: Lost) -> int:
        """Add a lost stretch; returns its last node."""
        at = start
        for _ in range(element.least):
            following = self.node(True)
            self.arcs[at].append(Arc(None, element.spaces, False, following))
            at = following
        if element.most is None:
            self.arcs[at].append(Arc(None, element.spaces, False, at))
            return at
        end = self.node(True)
        for _ in range(element.most - element.least):
            self.skips[at].append(end)
            following = self.node(True)
            self.arcs[at].append(Arc(None, element.spaces, False, following))
            at = following
        self.skips[at].append(end)
        return end


def hole_graph(region: Region, elements: Sequence[Element], normalize: Callable[[str], str]) -> HoleGraph:
    """The graph of a region.

    Args:
        elements: of the hole, or looser ones in their place.
        normalize: how the tokenizer writes a character.
    """
    graph = HoleGraph()
    graph.first = graph.node(False)
    # The lead and tail are written as the tokens write them already.
    begin = graph.text(graph.first, region.lead, False, unchanged)
    graph.inner = graph.node(True)
    graph.skips[begin].append(graph.inner)
    if region.hole.targets is None:
        at = graph.inner
        for element in elements:
            if isinstance(element, Known):
                at = graph.text(at, element.text, True, normalize, element.certain, region.hole.any_case)
            else:
                at = graph.lost(at, element)
    else:
        at = graph.node(True)
        for target in region.hole.targets:
            if region.hole.admits(target):
                end = graph.text(graph.inner, target, True, normalize, any_case=region.hole.any_case)
                graph.skips[end].append(at)
    graph.edge = graph.node(False)
    graph.skips[at].append(graph.edge)
    graph.last = graph.text(graph.edge, region.tail, False, unchanged)
    return graph


def unchanged(character: str) -> str:
    """The character itself."""
    return character
