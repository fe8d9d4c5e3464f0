"""Fit the weights of correction on pairs of text and what was read of it, and count right and wrong changes."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from fillmask.errors import CorpusError
from fillmask.restore.calibration.fitting import FittingCase, fit_logit
from fillmask.restore.correction.alignment import aligned, edit_distance
from fillmask.restore.correction.correction import Correction
from fillmask.restore.correction.corrector import Corrector, Judged, blocks_of
from fillmask.restore.correction.judgement import PLAIN, CorrectionWeights
from fillmask.restore.correction.suspicion import Noise
from fillmask.restore.decoding.cached_scorer import CachedScorer
from fillmask.runtime.masked_lm import MaskedLM

_FEWEST = 100  # suspicious words
_PASSAGE_WORDS = 40


@dataclass(frozen=True)
class CorrectionQuality:
    """How well texts were corrected; see `measure`.

    Attributes:
        characters, words: of the true texts.
        cer_before, wer_before, cer, wer: error rates before and after, in edits by characters and by words.
        right, wrong: changes that gave the true text, and changes that did not.
        spoilt: of the wrong changes, those of words that had been read rightly.
    """

    characters: int
    words: int
    cer_before: float
    wer_before: float
    cer: float
    wer: float
    right: int
    wrong: int
    spoilt: int


def fit(
    model: MaskedLM,
    pairs: Sequence[tuple[str, str]],
    *,
    corrector: Corrector | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> CorrectionWeights:
    """Weights for a model, to be saved beside it with `judgement.save`.

    Args:
        pairs: what was read, and the text as it is; equal ones teach what is to be left alone.
        corrector: with another channel or word list than the checkpoint's.
        on_progress: called with the pairs done and to be done.

    Raises:
        CorpusError: there is too little text.
    """
    corrector = corrector or Corrector(model)
    cases = []
    for number, pair in enumerate(pairs, start=1):
        cases += [case for _, case in cases_of(model, corrector, *pair)]
        if on_progress is not None:
            on_progress(number, len(pairs))
    if len(cases) < _FEWEST:
        raise CorpusError(f"the pairs have {len(cases)} suspicious words; expected {_FEWEST} or more: give more text")
    candidate, none = fit_logit(cases, PLAIN.candidate, PLAIN.none)
    return CorrectionWeights(candidate, none, {"pairs": len(pairs), "suspicious_words": len(cases)})


def clean_passages(documents: Sequence[str], pairs: Sequence[tuple[str, str]], seed: int) -> list[str]:
    """Passages of clean text, twice as long together as the texts of the pairs.

    Args:
        documents: clean texts, paragraphs apart by newlines.
    """
    rng = random.Random(seed)
    wanted = 2 * sum(len(text) for _, text in pairs)
    paragraphs = [p for text in documents for p in text.split("\n") if len(p.split()) >= _PASSAGE_WORDS]
    rng.shuffle(paragraphs)
    passages: list[str] = []
    for paragraph in paragraphs:
        if wanted <= 0:
            break
        passages.append(paragraph)
        wanted -= len(paragraph)
    return passages


def cases_of(model: MaskedLM, corrector: Corrector, observed: str, text: str) -> Iterator[tuple[Judged, FittingCase]]:
    """The suspicious words of a pair, each with its features and which candidate is the truth."""
    places = _places(text, observed)
    start = 0
    noise = Noise(corrector.candidates)
    for block in blocks_of([observed]):
        scorer = CachedScorer(model)
        for judged in corrector.judged(block, noise.after(block), scorer):
            suspect = judged.suspect
            truth = _truth(text, observed, places, start + suspect.start, start + suspect.end)
            texts = [_plain(candidate) for candidate in suspect.candidates]
            yield (
                judged,
                FittingCase(
                    suspect.kind,
                    np.array(judged.features, float),
                    np.array(judged.none, float),
                    texts.index(truth) if truth in texts else None,
                ),
            )
        start += len(block)


def measure(results: Sequence[tuple[Correction, str]]) -> CorrectionQuality:
    """How well some texts were corrected.

    Args:
        results: corrections, and the texts as they are.
    """
    right = wrong = spoilt = 0
    edits = [0, 0, 0, 0]
    for result, text in results:
        places = _places(text, result.source)
        for change in result.changes:
            truth = _truth(text, result.source, places, change.source_start, change.source_end)
            if _plain(change.text) == truth:
                right += 1
            else:
                wrong += 1
                spoilt += _plain(change.source) == truth
        before, after, true = result.source.split(), result.text.split(), text.split()
        edits[0] += edit_distance(" ".join(true), " ".join(before))
        edits[1] += edit_distance(true, before)
        edits[2] += edit_distance(" ".join(true), " ".join(after))
        edits[3] += edit_distance(true, after)
    characters = sum(len(" ".join(text.split())) for _, text in results)
    words = sum(len(text.split()) for _, text in results)
    of_characters, of_words = max(1, characters), max(1, words)
    return CorrectionQuality(
        characters,
        words,
        edits[0] / of_characters,
        edits[1] / of_words,
        edits[2] / of_characters,
        edits[3] / of_words,
        right,
        wrong,
        spoilt,
    )


def _places(text: str, observed: str) -> list[int | None]:
    """For each character of what was read, the character of the text that it was read for; None for additions."""
    places: list[int | None] = [None] * len(observed)
    for start, end, first, last in aligned(text, observed):
        if end > start and last > first:
            places[first] = start
    return places


def _truth(text: str, observed: str, places: Sequence[int | None], start: int, end: int) -> str:
    """The text that was read as a stretch, without the punctuation around it."""
    before = next((place for place in reversed(places[:start]) if place is not None), -1)
    after = next((place for place in places[end:] if place is not None), len(text))
    stretch = text[before + 1 : after]
    return _plain(stretch) if any(c.isalnum() for c in observed[start:end]) else _plain(stretch, marks=True)


def _plain(text: str, *, marks: bool = False) -> str:
    """A stretch as it is compared: single spaces, without marks at its ends."""
    text = " ".join(text.split())
    if marks or not any(c.isalnum() for c in text):
        return text
    first = next(n for n, c in enumerate(text) if c.isalnum())
    last = next(n for n in reversed(range(len(text))) if text[n].isalnum()) + 1
    return text[first:last]
