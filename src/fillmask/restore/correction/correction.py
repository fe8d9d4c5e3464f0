"""What a correction is: the text, the words that were changed, and the words that are doubtful."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from fillmask.restore.restoration import Cost, Reading

DOUBTFUL = 0.5  # probability of being misread from which a word that stays is marked


@dataclass(frozen=True)
class CorrectedWord:
    """A stretch of the text that was changed, or is marked as doubtful.

    Attributes:
        index: its number, from 0, in the order of the text.
        start, end: its characters in `Correction.text`.
        source_start, source_end: its characters in `Correction.source`.
        source: as it was read.
        text: what stands in the corrected text.
        changed: whether the text differs from the source there; otherwise the stretch is doubtful.
        probability: probability that `text` is right, 0 to 1.
        line, column: where it begins in the source, from 1.
        readings: all candidates, best first; with `none_of_these` their probabilities sum to 1.
        none_of_these: probability that none of the readings is right.
    """

    index: int
    start: int
    end: int
    source_start: int
    source_end: int
    source: str
    text: str
    changed: bool
    probability: float
    line: int
    column: int
    readings: tuple[Reading, ...]
    none_of_these: float


@dataclass(frozen=True)
class Correction:
    """A text with what was misread in it mended or marked.

    Attributes:
        text: the corrected text.
        source: the text as it was read.
        words: the stretches that were changed or are doubtful, in order.
        min_probability: changes are made from this probability on.
        cost: what it took.
        model: what judged the words: a hub id with its revision, or the name of a checkpoint folder.
        calibrated: whether the probabilities were fitted for this model.
    """

    text: str
    source: str
    words: tuple[CorrectedWord, ...]
    min_probability: float
    cost: Cost
    model: str = ""
    calibrated: bool = True

    @property
    def changes(self) -> tuple[CorrectedWord, ...]:
        """The stretches that were changed."""
        return tuple(word for word in self.words if word.changed)

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain lists and dictionaries."""
        values: dict[str, Any] = _plain(self)
        return values

    def tei(self) -> str:
        """The text as TEI: changes as `<choice><sic/><corr/></choice>`, doubtful stretches as `<unclear>`."""
        from fillmask.restore.correction.editions import as_tei

        return as_tei(self)


def joined(blocks: Iterable[Correction]) -> Correction:
    """Corrections of consecutive pieces of a text as one."""
    texts, sources = [], []
    words: list[CorrectedWord] = []
    start = source_start = line = 0
    passes = rows = 0
    seconds = 0.0
    last: Correction | None = None
    for block in blocks:
        for word in block.words:
            words.append(
                CorrectedWord(
                    index=len(words),
                    start=word.start + start,
                    end=word.end + start,
                    source_start=word.source_start + source_start,
                    source_end=word.source_end + source_start,
                    source=word.source,
                    text=word.text,
                    changed=word.changed,
                    probability=word.probability,
                    line=word.line + line,
                    column=word.column,
                    readings=word.readings,
                    none_of_these=word.none_of_these,
                )
            )
        texts.append(block.text)
        sources.append(block.source)
        start += len(block.text)
        source_start += len(block.source)
        line += block.source.count("\n")
        passes, rows = passes + block.cost.forward_passes, rows + block.cost.rows
        seconds += block.cost.seconds
        last = block
    if last is None:
        return Correction("", "", (), 0.0, Cost(0, 0, 0.0))
    return Correction(
        "".join(texts),
        "".join(sources),
        tuple(words),
        last.min_probability,
        Cost(passes, rows, seconds),
        last.model,
        last.calibrated,
    )


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if is_dataclass(value):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    return value
