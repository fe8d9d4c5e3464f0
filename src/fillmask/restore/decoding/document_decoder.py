"""Decodes every hole of a damaged text, group by group, each group in a window of the text around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from fillmask.choices import STRATEGIES
from fillmask.errors import InputError
from fillmask.restore import word_list
from fillmask.restore.calibration import calibration_file
from fillmask.restore.calibration.calibration_file import Calibration
from fillmask.restore.calibration.confidence import ConfidenceWeights
from fillmask.restore.damage import Damaged
from fillmask.restore.decoding import strategies
from fillmask.restore.decoding.cached_scorer import CachedScorer, Cancelled
from fillmask.restore.decoding.hole_decoder import HoleDecoder
from fillmask.restore.decoding.posterior import DecodingState, SearchOptions
from fillmask.restore.decoding.search import LEFT_TO_RIGHT
from fillmask.restore.decoding.tokenized_context import Filling, TokenizedContext
from fillmask.restore.decoding.vocabulary import vocabulary_of
from fillmask.restore.restoration import Progress
from fillmask.runtime.masked_lm import MaskedLM

BEAM = 6
_GROUP = 8  # holes read together at most


@dataclass(frozen=True)
class DecodingSettings:
    """How a text is read, apart from what the caller says of each hole.

    Attributes:
        strategy: one of `STRATEGIES`.
        options: how hard each hole is looked at.
        window: tokens round a hole that the model reads.
        hypotheses: joint readings kept side by side.
        rounds: how often a hole is read again in the light of all others.
    """

    strategy: str = "joint"
    options: SearchOptions = field(default_factory=SearchOptions)
    window: int = 64
    hypotheses: int = 2
    rounds: int = 1


@dataclass(frozen=True)
class Decoded:
    """The posteriors of a text's holes, and the decoder that made them.

    Attributes:
        state: posteriors and best readings, by hole.
        locked: the text of each hole that the caller fixed.
        complete: whether every hole was reached.
        calibrated: whether the weights were fitted for the model and the strategy.
    """

    decoder: HoleDecoder
    state: DecodingState
    locked: Mapping[int, str]
    complete: bool
    calibrated: bool = True


def settings_for(strategy: str, beam: int = BEAM) -> DecodingSettings:
    """The settings of a named strategy.

    Raises:
        InputError: no such strategy, or a beam below 1.
    """
    if strategy not in STRATEGIES:
        raise InputError(f"strategy is {strategy!r}; expected one of {', '.join(STRATEGIES)}")
    if isinstance(beam, bool) or not isinstance(beam, int) or beam < 1:
        raise InputError(f"beam is {beam!r}; expected a whole number, 1 or more")
    options = SearchOptions(beam=beam)
    if strategy == "left-to-right":
        options = replace(options, order=LEFT_TO_RIGHT, correction=0.0, finalists=0)
    return DecodingSettings(strategy, options)


def decode(
    model: MaskedLM,
    damaged: Damaged,
    settings: DecodingSettings,
    *,
    lexicon: Sequence[str] = (),
    locked: Mapping[int, str] | None = None,
    calibration: Calibration | None = None,
    weights: ConfidenceWeights | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Decoded:
    """Read every hole of a damaged text.

    Args:
        lexicon: names and terms that are proposed wherever they fit.
        locked: for the hole of a number, the reading that stands in it.
        calibration: priors and weights; those of the checkpoint by default.
        weights: instead of those in `calibration`.
        on_progress: called whenever holes are settled.
        cancelled: called before each batch; True ends the work.

    Raises:
        InputError: the tokenizer has no mask token, or nothing can stand in a hole.
    """
    if model.tokenizer.mask_token_id is None:
        raise InputError("the tokenizer does not define a `mask_token`; restore needs a masked language model")
    locked = locked or {}
    calibration = calibration or calibration_file.of_checkpoint(model.checkpoint.folder)
    scorer = CachedScorer(model, cancelled)
    context = TokenizedContext(model.tokenizer, vocabulary_of(model.tokenizer), damaged, settings.window, scorer.check)
    decoder = HoleDecoder(
        scorer,
        model.tokenizer,
        context,
        calibration.lengths,
        weights or calibration.of(settings.strategy),
        settings.options,
        lexicon,
        word_list.of_checkpoint(model.checkpoint.folder) if damaged.holes else None,
    )
    fixed = {hole: decoder.spell(hole, text) for hole, text in locked.items()}
    unread = [hole for hole in range(len(damaged.holes)) if hole not in locked]
    state = DecodingState()
    complete = True
    settled = len(fixed)
    try:
        for group in _groups(context, unread, settings.window):
            around = _around(decoder, group, settings.window, fixed, state)
            for group_state in _read_group(decoder, group, around, settings):
                state.update(group_state)
            settled += len(group)
            if on_progress is not None:
                on_progress(Progress(settled, len(damaged.holes), scorer.forward_passes))
    except Cancelled:
        complete = False
    calibrated = weights is not None or calibration.calibrates(settings.strategy)
    return Decoded(decoder, state, locked, complete, calibrated)


def _read_group(
    decoder: HoleDecoder, group: Sequence[int], around: Mapping[int, Filling], settings: DecodingSettings
) -> Iterator[DecodingState]:
    match settings.strategy:
        case "joint":
            return strategies.joint(decoder, group, around, hypotheses=settings.hypotheses, rounds=settings.rounds)
        case "independent":
            return strategies.independent(decoder, group, around)
        case _:
            return strategies.left_to_right(decoder, group, around)


def _around(
    decoder: HoleDecoder, group: Sequence[int], window: int, fixed: Mapping[int, Filling], state: DecodingState
) -> dict[int, Filling]:
    """What fills the holes near a group: fixed readings, the best so far, and masks in those not yet read."""
    fillings = {**{hole: candidate.filling for hole, candidate in state.best.items()}, **fixed}
    # Every hole takes a token or a separator, so the model sees none further away than the window.
    last = min(len(decoder.context.holes), group[-1] + window + 1)
    for hole in range(max(0, group[0] - window), last):
        if hole not in fillings:
            fillings[hole] = decoder.masks(hole)
    return fillings


def _groups(context: TokenizedContext, holes: Sequence[int], window: int) -> list[list[int]]:
    """Neighbours that the model sees together."""
    groups: list[list[int]] = []
    for hole in holes:
        last = groups[-1] if groups else None
        if (
            last is not None
            and len(last) < _GROUP
            and sum(context.distance(h) for h in range(last[-1], hole)) <= window // 2
        ):
            last.append(hole)
        else:
            groups.append([hole])
    return groups
