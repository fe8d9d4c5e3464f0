"""A damaged text as tokens with holes: what stands between the holes, and what the tokens of each hole must spell.

The text is tokenised once, with a word in every hole, so that what surrounds a
hole is cut as it will be in the restored text. The first token of a hole takes
the space before it. Where punctuation touches the hole, a token may reach from
the hole into it (`shop` and `."` may give `shop`, `."` or, after a reading that
ends in a full stop, `.."`); each way is a layout of its own, so that no
tokenisation is lost. The frame knows tokens, not models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from fillmask.batching import Masked
from fillmask.errors import InputError
from fillmask.restore.automaton import Region
from fillmask.restore.damage import Damaged, Hole
from fillmask.restore.machine import Machine
from fillmask.restore.vocabulary import METASPACE, WORDPIECE, Vocabulary
from fillmask.tokenizer import Tokenizer

_FILLER = "a"


@dataclass(frozen=True)
class Layout:
    """One way in which tokens may cover a hole.

    Attributes:
        region: what they spell.
        before: tokens of the text before the hole that they replace.
        after: tokens of the text after it.
    """

    region: Region
    before: int = 0
    after: int = 0

    @property
    def crosses(self) -> bool:
        """Whether a token must reach across an edge of the hole: rare, but not to be lost."""
        return self.region.across_lead or self.region.across_tail


@dataclass(frozen=True)
class Filling:
    """Tokens in a hole, and how they lie there; `tokens` may be the mask's."""

    layout: Layout
    tokens: tuple[int, ...]


@dataclass(frozen=True)
class Surroundings:
    """The tokens round a hole, special ones included."""

    left: tuple[int, ...]
    right: tuple[int, ...]

    def row(self, tokens: Sequence[int], asked: Sequence[int]) -> Masked:
        """What the model reads, with these tokens in the hole; `asked` are places among them."""
        ids = [*self.left, *tokens, *self.right]
        return Masked(ids, [0] * len(ids), [len(self.left) + place for place in asked])


class Frame:
    """Tokens between the holes of a text, and the layouts of each hole.

    Args:
        window: most tokens of the text round a hole that the model is to read.

    Raises:
        InputError: nothing can stand in a hole, or the vocabulary cannot spell anything that may.
    """

    def __init__(self, tokenizer: Tokenizer, vocabulary: Vocabulary, damaged: Damaged, window: int) -> None:
        self.vocabulary = vocabulary
        self.holes: tuple[Hole, ...] = damaged.holes
        self._window = window
        alone = tokenizer.encode_text(_FILLER)
        self._head = tuple(alone.ids[: alone.leading])
        self._foot = tuple(alone.ids[len(alone.ids) - alone.trailing :])
        self.limit = tokenizer.model_max_length - alone.leading - alone.trailing
        texts = _texts_between(damaged)
        self.between = _between(tokenizer, texts)
        self.layouts = [self._layouts(n, texts) for n in range(len(self.holes))]

    def machine(self, layout: Layout) -> Machine:
        """The layout as the vocabulary spells it."""
        return self.vocabulary.machine(layout.region)

    def _layouts(self, number: int, texts: Sequence[str]) -> tuple[Layout, ...]:
        hole, left, right = self.holes[number], texts[number], texts[number + 1]
        lead = self._lead(left, first=number == 0)
        found = [Layout(Region(hole, lead, breaks=self.vocabulary.kind == WORDPIECE))]
        if self.vocabulary.kind == WORDPIECE:  # cuts at every punctuation mark
            return tuple(found)
        leads, tails = [(lead, 0)], [("", 0)]
        glued = len(left) - len(_without_marks_at_end(left))
        if glued:
            rest = left[: len(left) - glued]
            marks = self._lead(rest, first=number == 0) + left[len(left) - glued :]
            count = _suffix(self.vocabulary, self.between[number], marks)
            if count and (rest or number == 0):
                leads.append((marks, count))
        glued = len(right) - len(_without_marks_at_start(right))
        if glued:
            marks = right[:glued]
            count = _prefix(self.vocabulary, self.between[number + 1], marks)
            if count and (right[glued:] or number == len(self.holes) - 1):
                tails.append((marks, count))
        for (before, taken), (after, following) in list(product(leads, tails))[1:]:
            region = Region(hole, before, after, across_lead=taken > 0, across_tail=following > 0)
            layout = Layout(region, taken, following)
            try:
                self.machine(layout)
            except InputError:
                continue  # no token reaches across
            found.append(layout)
        return tuple(found)

    def _lead(self, left: str, *, first: bool) -> str:
        """The space that the first token after `left` takes."""
        if self.vocabulary.kind == WORDPIECE:
            return ""
        if not left:
            return " " if first and self.vocabulary.prefix_space else ""
        if self.vocabulary.kind == METASPACE:
            return " " if left[-1].isspace() else ""
        return " " if left[-1] == " " else ""

    def around(self, number: int, layout: Layout, fillings: Mapping[int, Filling], room: int) -> Surroundings:
        """The tokens round hole `number`, with what fills the other holes.

        Args:
            fillings: of every other hole within reach.
            room: tokens that will be in the hole.
        """
        most = max(0, min(self._window, self.limit - room))
        left = self._reach(number, -1, layout.before, fillings, most)
        right = self._reach(number, 1, layout.after, fillings, most)
        share = max(most - most // 2 if len(right) > most // 2 else most - len(right), 0)
        left = left[max(0, len(left) - share) :]
        right = right[: most - len(left)]
        head, foot = self._head, self._foot
        return Surroundings((*head, *left), (*right, *foot))

    @property
    def alone(self) -> Surroundings:
        """No text round a hole."""
        return Surroundings(self._head, self._foot)

    def _reach(self, number: int, step: int, cut: int, fillings: Mapping[int, Filling], most: int) -> tuple[int, ...]:
        """Up to `most` tokens on one side of a hole, in the order of the text."""
        pieces: list[tuple[int, ...]] = []
        total = 0
        at = number
        while total < most:
            piece = self.between[at if step < 0 else at + 1]
            other = at + step
            filling = fillings.get(other) if 0 <= other < len(self.holes) else None
            far = 0 if filling is None else filling.layout.after if step < 0 else filling.layout.before
            piece = piece[far : len(piece) - cut] if step < 0 else piece[cut : len(piece) - far]
            pieces.append(piece)
            total += len(piece)
            if not 0 <= other < len(self.holes):
                break
            if filling is not None:
                pieces.append(filling.tokens)
                total += len(filling.tokens)
            cut = 0 if filling is None else filling.layout.before if step < 0 else filling.layout.after
            at = other
        tokens = [t for piece in (reversed(pieces) if step < 0 else pieces) for t in piece]
        return tuple(tokens[len(tokens) - most :] if step < 0 and len(tokens) > most else tokens[:most])

    def distance(self, number: int) -> int:
        """Tokens between hole `number` and the next."""
        return len(self.between[number + 1])


def _texts_between(damaged: Damaged) -> list[str]:
    texts = [""]
    for part in damaged.parts:
        if isinstance(part, str):
            texts[-1] += part
        else:
            texts.append("")
    return texts


def _between(tokenizer: Tokenizer, texts: Sequence[str]) -> list[tuple[int, ...]]:
    """The tokens of each text between holes, cut as they are beside a word."""
    found = tokenizer.backend.encode(_FILLER.join(texts), add_special_tokens=False)
    pieces: list[list[int]] = [[]]
    begin = len(texts[0])
    for token, (start, end) in zip(found.ids, found.offsets, strict=True):
        while len(pieces) < len(texts) and start >= begin + 1:
            begin += 1 + len(texts[len(pieces)])
            pieces.append([])
        if len(pieces) == len(texts) or end <= begin:
            pieces[-1].append(token)
        elif end > begin + 1 or start < begin - 1 or (start == begin - 1 and not texts[len(pieces) - 1][-1:].isspace()):
            # The word grew together with what touches the hole.
            return [_alone(tokenizer, text) for text in texts]
    pieces.extend([] for _ in range(len(texts) - len(pieces)))
    return [tuple(piece) for piece in pieces]


def _alone(tokenizer: Tokenizer, text: str) -> tuple[int, ...]:
    return tuple(tokenizer.encode(text.removesuffix(" "), add_special_tokens=False)) if text.strip() else ()


def _is_mark(character: str) -> bool:
    return not (character.isspace() or character.isalnum())


def _without_marks_at_end(text: str) -> str:
    while text and _is_mark(text[-1]):
        text = text[:-1]
    return text


def _without_marks_at_start(text: str) -> str:
    while text and _is_mark(text[0]):
        text = text[1:]
    return text


def _suffix(vocabulary: Vocabulary, tokens: Sequence[int], text: str) -> int:
    """How many of the last tokens spell `text`; 0 where none do."""
    return _prefix(vocabulary, tokens, text, last=True)


def _prefix(vocabulary: Vocabulary, tokens: Sequence[int], text: str, *, last: bool = False) -> int:
    wanted: str | bytes = text.encode() if isinstance(vocabulary.spelled(int(vocabulary.ids[0])), bytes) else text
    spelled = wanted[:0]
    for count in range(1, len(tokens) + 1):
        piece = vocabulary.spelled_or_none(tokens[-count] if last else tokens[count - 1])
        if piece is None:
            return 0
        spelled = piece + spelled if last else spelled + piece  # type: ignore[operator]
        if len(spelled) >= len(wanted):
            return count if spelled == wanted else 0
    return 0
