"""What a caller asks of a restoration, checked once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fillmask.choices import NOTATIONS, STRATEGIES
from fillmask.errors import InputError
from fillmask.restore.damage import Damaged, Hole
from fillmask.tokenization.tokenizer import check_text


@dataclass(frozen=True)
class RestoreOptions:
    """How a damaged text is read.

    Attributes:
        notation: one of `fillmask.choices.NOTATIONS`; "auto" finds out.
        keep_ellipses: whether `...` without brackets is punctuation and no hole.
        div: in TEI, which `<div type="edition">` is read; the first by default.
        strategy: one of `fillmask.choices.STRATEGIES`.
        readings: readings of a hole, at most.
        beam: hypotheses of each number of tokens; more is slower and finds more. None for the default.
        lexicon: names and terms that are likely here; they are proposed wherever they fit, and lifted the more, the
            less else fits (`confidence.with_lexicon`).
        targets: for the hole of a number, the only readings that may stand in it.
        locked: for the hole of a number, the reading that stands in it; the others are read in its light.
        evidence: whether to say which words of the context mattered to each hole's best reading.

    Raises:
        InputError: a value that cannot be used.
    """

    notation: str = "auto"
    keep_ellipses: bool = False
    div: str | None = None
    strategy: str = "joint"
    readings: int = 10
    beam: int | None = None
    lexicon: Sequence[str] = ()
    targets: Mapping[int, Sequence[str]] | None = field(default=None)
    locked: Mapping[int, str] | None = field(default=None)
    evidence: bool = False

    def __post_init__(self) -> None:
        _check_choice("notation", self.notation, NOTATIONS)
        _check_choice("strategy", self.strategy, STRATEGIES)
        _check_count("readings", self.readings)
        if self.beam is not None:
            _check_count("beam", self.beam)
        lexicon = (self.lexicon,) if isinstance(self.lexicon, str) else tuple(self.lexicon)
        for entry in lexicon:
            check_text(entry)
        object.__setattr__(self, "lexicon", lexicon)

    def for_damage(self, damaged: Damaged) -> Damaged:
        """The damage with the targets in its holes.

        Raises:
            InputError: targets or locked readings of holes that are not there, or that do not fit.
        """
        self._check_locked(damaged)
        targets = self.targets or {}
        _check_holes("targets", targets, len(damaged.holes))
        parts: list[str | Hole] = []
        number = 0
        for part in damaged.parts:
            if isinstance(part, Hole):
                if number in targets:
                    words = targets[number]
                    texts: tuple[str, ...] = (words,) if isinstance(words, str) else tuple(words)
                    for word in texts:
                        check_text(word)
                    part = replace(part, targets=texts)
                    check_targets(part, str(number))
                number += 1
            parts.append(part)
        return Damaged(tuple(parts))

    def _check_locked(self, damaged: Damaged) -> None:
        locked = self.locked or {}
        _check_holes("locked", locked, len(damaged.holes))
        for number, text in locked.items():
            if not isinstance(text, str):
                raise InputError(f"locked[{number}] is {text!r:.40}; expected a text")
            check_text(text)
            if len(text.splitlines()) > 1 or text.endswith("\n") or not (text or damaged.holes[number].admits(text)):
                raise InputError(f"locked[{number}] is {text!r:.40}; expected what stands in the hole, in one line")


def check_targets(hole: Hole, name: str) -> None:
    """Raise InputError unless one of the hole's targets may stand in it; `name` is what the user calls the hole."""
    targets = hole.targets or ()
    if not any(hole.admits(target) for target in targets):
        raise InputError(f"none of the targets of hole {name} fits what is known of it: {', '.join(targets)[:80]}")


def _check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    if value not in choices:
        raise InputError(f"{name} is {value!r}; expected one of {', '.join(choices)}")


def _check_count(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InputError(f"{name} is {value!r}; expected a whole number, 1 or more")


def _check_holes(name: str, values: Mapping[int, object], holes: int) -> None:
    wrong = [n for n in values if isinstance(n, bool) or not isinstance(n, int) or not 0 <= n < holes]
    if wrong:
        there = f"holes 0 to {holes - 1}" if holes else "no holes"
        raise InputError(f"{name} names hole {wrong[0]!r}, and the text has {there}")
