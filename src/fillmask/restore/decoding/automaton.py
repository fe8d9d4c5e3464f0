"""A hole as a finite automaton: which characters may come next, and when the hole is full.

`compilation.compile_region` turns a `Hole`, with the few characters beside it that a token
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
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from fillmask.restore.damage import Hole

States = npt.NDArray[np.int32]
DEAD = 0

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
