"""Corrects texts: finds suspicious words, judges their candidates in context, and changes what is surely misread.

A text is read in blocks of whole lines, so that a long document takes time and
not memory. In a block every suspicious word is judged with the likeliest
candidates of the others around it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fillmask.choices import MIN_CORRECTION_PROBABILITY
from fillmask.errors import InputError
from fillmask.restore import word_list
from fillmask.restore.calibration import confidence
from fillmask.restore.correction import channel as channels
from fillmask.restore.correction import judgement
from fillmask.restore.correction.candidates import Candidates
from fillmask.restore.correction.channel import ConfusionChannel
from fillmask.restore.correction.correction import DOUBTFUL, CorrectedWord, Correction, joined
from fillmask.restore.correction.judgement import CorrectionWeights
from fillmask.restore.correction.suspicion import Noise, Suspect, suspects
from fillmask.restore.damage import Damaged, Hole, Lost
from fillmask.restore.decoding.cached_scorer import CachedScorer
from fillmask.restore.decoding.posterior import Query
from fillmask.restore.decoding.rescoring import Rescorer
from fillmask.restore.decoding.tokenized_context import Filling, TokenizedContext
from fillmask.restore.decoding.vocabulary import WORDPIECE, vocabulary_of
from fillmask.restore.restoration import Reading
from fillmask.restore.word_list import WordList
from fillmask.runtime.masked_lm import MaskedLM
from fillmask.tokenization.tokenizer import check_text

_BLOCK = 2_000  # characters, to the end of a line
_LONGEST_LINE = 20_000  # characters; a longer line is cut at a space
_WINDOW = 40  # tokens of the text around a word that the model reads
_ANYTHING = Hole((Lost(1, None, True),))


@dataclass(frozen=True)
class Judged:
    """A suspect with the features of its candidates and of "none of these"."""

    suspect: Suspect
    features: tuple[tuple[float, ...], ...]
    none: tuple[float, ...]

    def probabilities(self, weights: CorrectionWeights) -> tuple[list[float], float]:
        """Of each candidate, and of none of them."""
        scores = [judgement.score(values, weights.candidate) for values in self.features]
        return confidence.probabilities(scores, judgement.score(self.none, weights.none))


class Corrector:
    """Corrects what was misread in texts, with one model.

    Args:
        model: what judges words in context.
        channel: how letters come to be misread; the package's by default.
        words: the word list; the checkpoint's by default, else the bundled English one.
        weights: of the features; the checkpoint's by default.

    Raises:
        InputError: the tokenizer has no mask token.
    """

    def __init__(
        self,
        model: MaskedLM,
        *,
        channel: ConfusionChannel | None = None,
        words: WordList | None = None,
        weights: CorrectionWeights | None = None,
    ) -> None:
        if model.tokenizer.mask_token_id is None:
            raise InputError("the tokenizer does not define a `mask_token`; correct needs a masked language model")
        folder = model.checkpoint.folder
        words = words or word_list.of_checkpoint(folder) or word_list.bundled()
        if words is None:
            raise InputError("there is no word list; count one: fillmask train lexicon TEXT… --out FOLDER")
        self._model = model
        self._weights = weights or judgement.of_checkpoint(folder)
        self.candidates = Candidates(words, channel or channels.general())

    @property
    def is_calibrated(self) -> bool:
        """Whether the weights were fitted for the model."""
        return bool(self._weights.fitted_on)

    def correct(
        self,
        text: str,
        *,
        min_probability: float = MIN_CORRECTION_PROBABILITY,
        cancelled: Callable[[], bool] | None = None,
    ) -> Correction:
        """Correct one text.

        Args:
            min_probability: changes are made from this probability on; below it a word is marked as doubtful.
            cancelled: called before each batch; True ends the work.

        Raises:
            InputError: the text or the option cannot be used.
        """
        check_text(text)
        return joined(self.blocks([text], min_probability=min_probability, cancelled=cancelled))

    def blocks(
        self,
        pieces: Iterable[str],
        *,
        min_probability: float = MIN_CORRECTION_PROBABILITY,
        cancelled: Callable[[], bool] | None = None,
    ) -> Iterator[Correction]:
        """Correct a text that comes in pieces, block by block; their texts in a row are the whole.

        Raises:
            InputError: `min_probability` cannot be used.
        """
        if (
            isinstance(min_probability, bool)
            or not isinstance(min_probability, (int, float))
            or not 0 <= min_probability <= 1
        ):
            raise InputError(f"min_probability is {min_probability!r}; expected a number from 0 to 1")
        noise = Noise(self.candidates)
        for block in blocks_of(pieces):
            yield self._corrected(block, noise.after(block), min_probability, cancelled)

    def judged(self, text: str, share: float, scorer: CachedScorer) -> list[Judged]:
        """The suspects of a block with their features.

        Args:
            share: how much of the text is misread, see `suspicion.Noise`.
        """
        suspected = suspects(text, self.candidates, share)
        plls = self._in_context(text, suspected, scorer)
        return [
            Judged(
                suspect,
                tuple(
                    judgement.features(suspect, candidate, pll, share, self.candidates)
                    for candidate, pll in zip(suspect.candidates, values, strict=True)
                ),
                judgement.none_features(suspect, share, self.candidates),
            )
            for suspect, values in zip(suspected, plls, strict=True)
        ]

    def _corrected(
        self, text: str, share: float, min_probability: float, cancelled: Callable[[], bool] | None
    ) -> Correction:
        scorer = CachedScorer(self._model, cancelled)
        pieces: list[str] = []
        words: list[CorrectedWord] = []
        at = length = 0
        for judged in self.judged(text, share, scorer):
            suspect = judged.suspect
            probabilities, none = judged.probabilities(self._weights)
            ranked = sorted(zip(suspect.candidates, probabilities, strict=True), key=lambda pair: (-pair[1], pair[0]))
            best, probability = ranked[0]
            changed = best != suspect.observed and probability >= min_probability
            own = dict(ranked)[suspect.observed]
            if not changed and own > 1 - DOUBTFUL:
                continue
            written = _cased(best, suspect) if changed else suspect.observed
            pieces += [text[at : suspect.start], written]
            start = length + suspect.start - at
            line_start = text.rfind("\n", 0, suspect.start) + 1
            words.append(
                CorrectedWord(
                    index=len(words),
                    start=start,
                    end=start + len(written),
                    source_start=suspect.start,
                    source_end=suspect.end,
                    source=suspect.observed,
                    text=written,
                    changed=changed,
                    probability=probability if changed else own,
                    line=text.count("\n", 0, suspect.start) + 1,
                    column=suspect.start - line_start + 1,
                    readings=tuple(Reading(reading, p) for reading, p in ranked),
                    none_of_these=none,
                )
            )
            length, at = start + len(written), suspect.end
        pieces.append(text[at:])
        return Correction(
            "".join(pieces),
            text,
            tuple(words),
            min_probability,
            scorer.cost(),
            self._model.checkpoint.title,
            self.is_calibrated,
        )

    def _in_context(self, text: str, suspected: Sequence[Suspect], scorer: CachedScorer) -> list[list[float]]:
        """The pseudo-log-likelihood of every candidate of every suspect, the likeliest of the others around it."""
        shown = [suspect for suspect in suspected if suspect.kind != "mark"]
        if not shown:
            return [[0.0] * len(suspect.candidates) for suspect in suspected]
        parts: list[str | Hole] = []
        at = 0
        for suspect in shown:
            parts += [text[at : suspect.start], _ANYTHING]
            at = suspect.end
        parts.append(text[at:])
        tokenizer = self._model.tokenizer
        context = TokenizedContext(tokenizer, vocabulary_of(tokenizer), Damaged(tuple(parts)), _WINDOW, scorer.check)
        fillings: Mapping[int, Filling] = {
            number: self._filling(context, number, self._likeliest(suspect)) for number, suspect in enumerate(shown)
        }
        wanted = [
            (Query(number, fillings), self._filling(context, number, candidate))
            for number, suspect in enumerate(shown)
            for candidate in suspect.candidates
        ]
        values = iter(Rescorer(scorer, context).in_context(wanted))
        return [[0.0 if suspect.kind == "mark" else next(values) for _ in suspect.candidates] for suspect in suspected]

    def _likeliest(self, suspect: Suspect) -> str:
        """What most likely stood here before the model was asked."""
        if suspect.listed or len(suspect.candidates) == 1:
            return suspect.candidates[0]
        best = suspect.candidates[1]
        return best if self.candidates.prior(best, suspect.observed.replace("-\n", "")) > _SURE else suspect.observed

    def _filling(self, context: TokenizedContext, number: int, text: str) -> Filling:
        layout = context.plain(number)
        written = text if context.vocabulary.kind == WORDPIECE else layout.region.lead + text
        return Filling(layout, tuple(self._model.tokenizer.encode(written, add_special_tokens=False)))


_SURE = -20.0  # nats, by channel and frequency


def _cased(text: str, suspect: Suspect) -> str:
    """A candidate as it is written: a word divided at a line end takes the break with it."""
    if suspect.kind == "join" and "\n" in suspect.observed and suspect.observed.endswith(" "):
        return text + "\n"
    return text


def blocks_of(pieces: Iterable[str]) -> Iterator[str]:
    """A text in blocks of whole lines, or of whole words where lines are very long."""
    buffer = ""
    for piece in pieces:
        for start in range(0, len(piece), _LONGEST_LINE):
            buffer += piece[start : start + _LONGEST_LINE]
            while len(buffer) > _BLOCK:
                end = _block_end(buffer)
                if end is None:
                    break
                yield buffer[:end]
                buffer = buffer[end:]
    if buffer:
        yield buffer


def _block_end(buffer: str) -> int | None:
    """Where the first block ends; None where more text has to come first."""
    end = buffer.find("\n", _BLOCK)
    # A word may be divided at the end of a line.
    while end >= 0 and buffer[:end].rstrip("\r").endswith(("-", "¬")):
        end = buffer.find("\n", end + 1)
    if 0 <= end <= 2 * _BLOCK:
        return end + 1
    if len(buffer) <= 2 * _BLOCK:
        return None
    space = buffer.rfind(" ", _BLOCK, 2 * _BLOCK)
    return space + 1 if space > 0 else 2 * _BLOCK
