"""A damaged text as tokens with holes: what stands between the holes, and what the tokens of each hole must spell.

The text is tokenised once, with a word in every hole, so that what surrounds a
hole is cut as it will be in the restored text. The first token of a hole takes
the space before it. Where punctuation touches the hole, a token may reach from
the hole into it (`shop` and `."` may give `shop`, `."` or, after a reading that
ends in a full stop, `.."`); each way is a layout of its own, so that no
tokenisation is lost. The context knows tokens, not models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product, takewhile
from typing import overload

from fillmask.errors import InputError
from fillmask.restore.damage import Damaged, Hole
from fillmask.restore.decoding.automaton import Region
from fillmask.restore.decoding.token_automaton import TokenAutomaton
from fillmask.restore.decoding.vocabulary import METASPACE, WORDPIECE, Vocabulary
from fillmask.tokenization.masked_input import MaskedInput
from fillmask.tokenization.tokenizer import Tokenizer

_FILLER = "a"
_GLUED = 4  # punctuation marks that a token may reach across: each may be the end of a token or not


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

    def row(self, tokens: Sequence[int], places: Sequence[int]) -> MaskedInput:
        """What the model reads, with these tokens in the hole; `places` are places among them."""
        ids = [*self.left, *tokens, *self.right]
        return MaskedInput(ids, [0] * len(ids), [len(self.left) + place for place in places])


class _Layouts(Sequence[tuple[Layout, ...]]):
    """The layouts of each hole, made when they are first asked for: those across an edge need their automaton."""

    def __init__(self, context: TokenizedContext) -> None:
        self._context = context
        self._found: dict[int, tuple[Layout, ...]] = {}

    def __len__(self) -> int:
        return len(self._context.holes)

    @overload
    def __getitem__(self, number: int) -> tuple[Layout, ...]: ...
    @overload
    def __getitem__(self, number: slice) -> list[tuple[Layout, ...]]: ...
    def __getitem__(self, number: int | slice) -> tuple[Layout, ...] | list[tuple[Layout, ...]]:
        if isinstance(number, slice):
            return [self[n] for n in range(len(self))[number]]
        if number not in self._found:
            self._found[number] = self._context.all_layouts(range(len(self))[number])
        return self._found[number]


class TokenizedContext:
    """Tokens between the holes of a text, and the layouts of each hole.

    Args:
        window: most tokens of the text round a hole that the model is to read.
        check: called while token_automata are made; what it raises ends the work.

    Raises:
        InputError: nothing can stand in a hole, or the vocabulary cannot spell anything that may.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        vocabulary: Vocabulary,
        damaged: Damaged,
        window: int,
        check: Callable[[], None] | None = None,
    ) -> None:
        self.vocabulary = vocabulary
        self.holes: tuple[Hole, ...] = damaged.holes
        self._window = window
        alone = tokenizer.encode_text(_FILLER)
        self._head = tuple(alone.ids[: alone.leading])
        self._foot = tuple(alone.ids[len(alone.ids) - alone.trailing :])
        self.limit = tokenizer.model_max_length - alone.leading - alone.trailing
        self._check = check
        self._texts = _texts_between(damaged)
        self.between = _between(tokenizer, self._texts)
        self.layouts = _Layouts(self)

    def token_automaton(self, layout: Layout) -> TokenAutomaton:
        """The layout as the vocabulary spells it."""
        return self.vocabulary.token_automaton(layout.region, self._check)

    def plain(self, number: int) -> Layout:
        """The layout of hole `number` in which no token reaches across its edges."""
        lead = self._lead(self._texts[number], first=number == 0)
        return Layout(Region(self.holes[number], lead, breaks=self.vocabulary.kind == WORDPIECE))

    def all_layouts(self, number: int) -> tuple[Layout, ...]:
        """Every layout of hole `number`, the plain one first; `layouts` keeps them."""
        hole, left, right = self.holes[number], self._texts[number], self._texts[number + 1]
        lead = self._lead(left, first=number == 0)
        layouts = [self.plain(number)]
        if self.vocabulary.kind == WORDPIECE:  # cuts at every punctuation mark
            return tuple(layouts)
        leads, tails = [(lead, 0)], [("", 0)]
        glued = _marks(reversed(left))
        if glued:
            rest = left[: len(left) - glued]
            marks = self._lead(rest, first=number == 0) + left[len(left) - glued :]
            count = _suffix(self.vocabulary, self.between[number], marks)
            if count and (rest or number == 0):
                leads.append((marks, count))
        glued = _marks(right)
        if glued:
            marks = right[:glued]
            count = _prefix(self.vocabulary, self.between[number + 1], marks)
            if count and (right[glued:] or number == len(self.holes) - 1):
                tails.append((marks, count))
        for (before, taken), (after, following) in list(product(leads, tails))[1:]:
            region = Region(hole, before, after, across_lead=taken > 0, across_tail=following > 0)
            layout = Layout(region, taken, following)
            try:
                self.token_automaton(layout)
            except InputError:
                continue  # no token reaches across, or in too many ways
            layouts.append(layout)
        return tuple(layouts)

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
    encoding = tokenizer.encode_raw(_FILLER.join(texts), add_special_tokens=False)
    pieces: list[list[int]] = [[]]
    begin = len(texts[0])
    for token, (start, end) in zip(encoding.ids, encoding.offsets, strict=True):
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


def _marks(text: Iterable[str]) -> int:
    """How many marks there are at the beginning, as far as they are looked at."""
    return sum(1 for _ in takewhile(_is_mark, islice(text, _GLUED)))


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
