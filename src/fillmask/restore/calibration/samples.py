"""Damage done on purpose: known text with holes, to measure and to calibrate on.

The protocol is Ithaca's (Assael et al. 2022), in English: stretches of 1 to 10
characters hidden anywhere; then whole words, 1 to 5; the same without saying
how long; words that keep some of their letters; and passages with so much of
their text lost, stretch after stretch. What is drawn depends on the documents
and the seed alone.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fillmask.errors import CorpusError, InputError
from fillmask.restore.damage import Damaged, Hole, Known, Lost

KINDS = (
    *(f"characters-{n}" for n in range(1, 11)),
    *(f"words-{n}" for n in range(1, 6)),
    "unknown",
    "partial-30",
    "partial-50",
    "document-5",
    "document-10",
    "document-20",
)
_CONTEXT = 70  # words kept on each side of a hole
_LEAST = 25  # words of a passage
_PASSAGE = 120  # words of a passage with many holes
_WORD = re.compile(r"\S+")
_LETTERS = re.compile(r"[^\W\d_]{3,}")
_UNKNOWN = (0.45, 0.25, 0.15, 0.1, 0.05)  # of 1 to 5 words, where the length is not told


@dataclass(frozen=True)
class Sample:
    """A passage with holes and what stood in them.

    Attributes:
        kind: one of `KINDS`.
        source: where its document comes from, "" where that was not said.
        damaged: the passage.
        truths: what stood in each hole.
    """

    kind: str
    source: str
    damaged: Damaged
    truths: tuple[str, ...]


Documents = Mapping[str, Sequence[str]] | Iterable[str]


def draw(documents: Documents, *, kinds: Sequence[str] = KINDS, holes: int = 200, seed: int = 0) -> Iterator[Sample]:
    """Damaged passages, about `holes` holes of each kind.

    Args:
        documents: texts, paragraphs apart by newlines; or such texts by the name of their source, which are then drawn
            in turn from each.

    Raises:
        InputError: no such kind.
        CorpusError: no paragraph is long enough.
    """
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise InputError(f"there is no kind of damage {unknown[0]!r}; expected some of {', '.join(KINDS)}")
    sources = documents if isinstance(documents, Mapping) else {"": list(documents)}
    paragraphs = {name: [p for text in texts for p in _passages(text)] for name, texts in sources.items()}
    paragraphs = {name: texts for name, texts in paragraphs.items() if texts}
    if not paragraphs:
        raise CorpusError(f"no paragraph of the documents has {_LEAST} words or more; expected running text")
    names = list(paragraphs)
    for kind in kinds:
        rng = random.Random(f"{seed}:{kind}")
        made = number = failures = 0
        while made < holes and failures < 1000:
            source = names[number % len(names)]
            number += 1
            sample = _damage(kind, source, rng.choice(paragraphs[source]), rng)
            if sample is None:
                failures += 1
                continue
            made += len(sample.truths)
            yield sample


def _passages(text: str) -> Iterator[str]:
    for paragraph in text.split("\n"):
        if len(paragraph.split()) >= _LEAST:
            yield " ".join(paragraph.split())


def _damage(kind: str, source: str, passage: str, rng: random.Random) -> Sample | None:
    what, _, size = kind.partition("-")
    if what == "document":
        return _document(kind, source, passage, int(size), rng)
    chosen = _SINGLE[what](passage, int(size or 0), rng)
    if chosen is None:
        return None
    start, end, hole = chosen
    if not hole.admits(passage[start:end]):
        return None
    words = list(_WORD.finditer(passage))
    first = next(n for n, w in enumerate(words) if w.end() > start)
    last = next(n for n, w in reversed(list(enumerate(words))) if w.start() < end)
    begin = words[max(0, first - _CONTEXT)].start()
    stop = words[min(len(words) - 1, last + _CONTEXT)].end()
    damaged = Damaged((passage[begin:start], hole, passage[end:stop]))
    return Sample(kind, source, damaged, (passage[start:end],))


_Chosen = tuple[int, int, Hole]


def _characters(passage: str, size: int, rng: random.Random) -> _Chosen | None:
    at = rng.randrange(1, len(passage) - size)
    return _stretch(passage, at, at + size)


def _stretch(passage: str, start: int, end: int) -> _Chosen | None:
    """A lost stretch with what is left of the words at its ends."""
    first, last = start, end
    while first > 0 and not passage[first - 1].isspace():
        first -= 1
    while last < len(passage) and not passage[last].isspace():
        last += 1
    # Punctuation that survives outside a word is not part of the hole.
    while first < start and not passage[first].isalnum():
        first += 1
    while last > end and not passage[last - 1].isalnum():
        last -= 1
    elements: list[Known | Lost] = []
    if first < start:
        elements.append(Known(passage[first:start]))
    elements.append(Lost(end - start, end - start, spaces=True))
    if last > end:
        elements.append(Known(passage[end:last]))
    hole = Hole(tuple(elements))
    return (first, last, hole) if hole.admits(passage[first:last]) else None


def _span(passage: str, count: int, rng: random.Random) -> tuple[int, int] | None:
    """So many whole words, without the punctuation at their ends."""
    words = list(_WORD.finditer(passage))
    first = rng.randrange(0, len(words) - count + 1)
    start, end = words[first].start(), words[first + count - 1].end()
    while start < end and not passage[start].isalnum():
        start += 1
    while end > start and not passage[end - 1].isalnum():
        end -= 1
    return (start, end) if start < end and passage[start:end].count(" ") == count - 1 else None


def _words(passage: str, count: int, rng: random.Random) -> _Chosen | None:
    span = _span(passage, count, rng)
    if span is None:
        return None
    start, end = span
    return start, end, Hole((Lost(end - start, end - start, spaces=True),))


def _unknown(passage: str, _: int, rng: random.Random) -> _Chosen | None:
    (count,) = rng.choices(range(1, len(_UNKNOWN) + 1), _UNKNOWN)
    span = _span(passage, count, rng)
    return None if span is None else (*span, Hole((Lost(1, None, spaces=True),)))


def _partial(passage: str, percent: int, rng: random.Random) -> _Chosen | None:
    """A word of three letters or more that has lost some of them, here and there."""
    words = list(_LETTERS.finditer(passage))
    if not words:
        return None
    word = rng.choice(words)
    start, end = word.span()
    if (start and not passage[start - 1].isspace()) or (end < len(passage) and not _ends_word(passage, end)):
        return None
    gone = set(rng.sample(range(start, end), max(1, round((end - start) * percent / 100))))
    elements: list[Known | Lost] = []
    for at in range(start, end):
        last = elements[-1] if elements else None
        if at in gone:
            size = last.least + 1 if isinstance(last, Lost) else 1
            elements[len(elements) - (size > 1) :] = [Lost(size, size)]
        elif isinstance(last, Known):
            elements[-1] = Known(last.text + passage[at])
        else:
            elements.append(Known(passage[at]))
    return start, end, Hole(tuple(elements))


def _ends_word(passage: str, at: int) -> bool:
    """Whether the word that ends here is followed by nothing but punctuation."""
    rest = passage[at:].split(" ", 1)[0]
    return not any(c.isalnum() for c in rest)


_SINGLE: dict[str, Callable[[str, int, random.Random], _Chosen | None]] = {
    "characters": _characters,
    "words": _words,
    "unknown": _unknown,
    "partial": _partial,
}


def _document(kind: str, source: str, passage: str, percent: int, rng: random.Random) -> Sample | None:
    words = passage.split()
    if len(words) < _PASSAGE // 2:
        return None
    first = rng.randrange(0, max(1, len(words) - _PASSAGE))
    text = " ".join(words[first : first + _PASSAGE])
    taken: list[_Chosen] = []
    lost = 0
    for _ in range(1000):
        if lost >= len(text) * percent / 100:
            break
        size = rng.randint(1, 10)
        chosen = _characters(text, size, rng)
        # A word of its own between two holes, so that each is read by itself.
        if chosen is None or any(chosen[0] <= end + 1 and start <= chosen[1] + 1 for start, end, _ in taken):
            continue
        taken.append(chosen)
        lost += size
    taken.sort(key=lambda c: c[0])
    parts: list[str | Hole] = []
    truths = []
    at = 0
    for start, end, hole in taken:
        parts += [text[at:start], hole]
        truths.append(text[start:end])
        at = end
    return Sample(kind, source, Damaged((*parts, text[at:])), tuple(truths))
