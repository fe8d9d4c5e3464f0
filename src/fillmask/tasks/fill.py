"""Fill masks: the call of transformers' fill-mask pipeline, on `MaskedLM`.

Results have the shape, the values and the messages of transformers'
`pipeline("fill-mask")`; where fillmask does more it says so here: `<mask>` and
`[MASK]` are understood with every model, a text that is too long or is no text
is an error that says so, and lists are batched whatever `batch_size` says.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

from fillmask.errors import FillMaskWarning, InputError, TargetsError
from fillmask.runtime.masked_lm import MaskedLM
from fillmask.tasks.masked_texts import Candidate, Filled, MaskedText, MaskedTexts, Ranked, ranked, top_indices
from fillmask.tasks.score import Score, score_texts
from fillmask.tokenization.tokenizer import Tokenizer, check_text

__all__ = ["Candidate", "FillMask", "Filled", "pipeline", "top_indices"]

if TYPE_CHECKING:
    from fillmask.restore import Progress, Restoration

LONG_TEXTS = ("error", "window")
_STREAM_CHUNK = 64
_WARNINGS = 20  # targets of one list that are warned of by name


class FillMask:
    """Ranked fillings for the masks of a text.

    Args:
        model: None for the bundled model, a checkpoint folder, or a hub id (`id` or `id@revision`).
        revision: branch, tag or commit of a hub id.
        engine: "onnxruntime", or "openvino" or "torch" where those extras are installed; "auto" is onnxruntime, or
            torch for the families that have no graph here and for other devices than the cpu.
        precision: "auto", or one that the engine has.
        threads: threads for one batch; all cores by default.
        device: for the torch engine, "cpu", "cuda", or transformers' numbers; a GPU where there is one by default.
        top_k: answers a mask, unless the call says otherwise.
        targets: words to choose from, unless the call says otherwise.
        tokenizer_kwargs: as for the call.
        long_text: what to do with a text that is longer than the model, unless the call says otherwise.

    Raises:
        CheckpointError: the model cannot be opened.
        InputError: an argument cannot be used.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        engine: str = "auto",
        precision: str = "auto",
        threads: int | None = None,
        device: str | int | None = None,
        revision: str | None = None,
        top_k: int | None = None,
        targets: str | Sequence[str] | None = None,
        tokenizer_kwargs: Mapping[str, Any] | None = None,
        long_text: str = "error",
    ) -> None:
        self.model = MaskedLM(
            model, engine=engine, precision=precision, threads=threads, device=device, revision=revision
        )
        self.tokenizer: Tokenizer = self.model.tokenizer
        self._texts = MaskedTexts(self.tokenizer, self.model.vocab_size)
        self.mask_token: str = self._texts.mask_token
        self.mask_token_id: int = self._texts.mask_token_id
        self._top_k = 5 if top_k is None else _checked_top_k(top_k)
        self._last_targets: tuple[tuple[str, ...], npt.NDArray[np.int64], list[str]] | None = None
        self._targets = None if targets is None else self.target_ids(targets)
        self._tokenizer_kwargs = tokenizer_kwargs
        self._long_text = _checked_long_text(long_text)
        self._arguments = {
            "model": model, "engine": self.model.engine.name, "precision": self.model.engine.precision,
            "threads": threads, "device": device, "revision": revision, "top_k": top_k, "targets": targets,
            "tokenizer_kwargs": tokenizer_kwargs, "long_text": long_text,
        }  # fmt: skip

    def __reduce__(self) -> tuple[Callable[..., FillMask], tuple[Mapping[str, Any]]]:
        """A copy, in this process or in another, opens the model again: sessions and mapped files cannot be sent."""
        return _opened, (self._arguments,)

    def __call__(
        self,
        inputs: str | Iterable[str],
        *,
        top_k: int | None = None,
        targets: str | Sequence[str] | None = None,
        tokenizer_kwargs: Mapping[str, Any] | None = None,
        long_text: str | None = None,
        batch_size: int | None = None,
        num_workers: int | None = None,
    ) -> Any:
        """The likeliest tokens for each mask.

        Args:
            inputs: a text, a list or tuple of texts, or any other iterable of
                texts (a generator, an open file), which is read as results are taken, 64 texts ahead.
            top_k: answers a mask, 5 by default, at most as many as there are targets.
            targets: choose among these only. Each stands for one token: a word
                that the vocabulary lacks is replaced by its first sub-word, with a
                warning (for the first twenty such words; one more counts the rest).
            tokenizer_kwargs: `truncation`, `max_length`, `add_special_tokens`.
            long_text: for a text with more tokens than the model has positions,
                "error" (the default), or "window": each mask is read in the
                stretch round it that the model can take.
            batch_size, num_workers: accepted for transformers' sake; batches are made by length.

        Returns:
            For a text with one mask, a list of candidates, best first; with
            several masks, such a list for each. For a list of texts, a list of
            those (a list of one text is treated as the text); for another
            iterable, an iterator over them. A candidate has `score`
            (probability in the whole vocabulary), `token`, `token_str` and
            `sequence`, the text with the mask filled; where a text has several
            masks the others stay, and so do special tokens.

        Raises:
            NoMaskError: a text has no mask.
            TextTooLongError: a text has more tokens than the model has positions.
            TargetsError: no target can be used.
            InputError: an input is not a text, or an option is wrong.
        """
        count = self._top_k if top_k is None else _checked_top_k(top_k)
        chosen = self._targets if targets is None else self.target_ids(targets)
        options = self._tokenizer_kwargs if tokenizer_kwargs is None else tokenizer_kwargs
        windows = (self._long_text if long_text is None else _checked_long_text(long_text)) == "window"
        if isinstance(inputs, str):
            return self._fill([self._texts.read(inputs, options, windows=windows)], count, chosen)[0]
        if isinstance(inputs, (list, tuple)):
            results = self._fill(self._texts.read_all(inputs, options, windows=windows), count, chosen)
            return results[0] if len(results) == 1 else results
        if isinstance(inputs, Iterable) and not isinstance(inputs, (bytes, Mapping)):
            texts = (self._texts.read(text, options, windows=windows) for text in inputs)
            return self._stream(texts, count, chosen)
        check_text(inputs)
        raise AssertionError("unreachable: not a text, and check_text passed it")

    @overload
    def score(self, inputs: str, *, method: str = ..., long_text: str | None = ...) -> Score: ...  # type: ignore[overload-overlap]

    @overload
    def score(  # type: ignore[overload-overlap]
        self, inputs: list[str] | tuple[str, ...], *, method: str = ..., long_text: str | None = ...
    ) -> list[Score]: ...

    @overload
    def score(self, inputs: Iterable[str], *, method: str = ..., long_text: str | None = ...) -> Iterator[Score]: ...

    def score(
        self, inputs: str | Iterable[str], *, method: str = "word-l2r", long_text: str | None = None
    ) -> Score | list[Score] | Iterator[Score]:
        """Pseudo-log-likelihood: how likely each word of a text is, given the others, and the text as a whole.

        Args:
            inputs: a text, a list or tuple of texts, or any other iterable of
                texts, which is read as results are taken.
            method: which tokens are hidden with the one that is asked for:
                "word-l2r" (the later ones of its word), "original" (none) or
                "whole-word" (all of its word); see `fillmask.tasks.score`.
            long_text: as for fillings.

        Returns:
            A `Score` for a text, a list of them for a list, an iterator for another iterable.

        Raises:
            InputError: no such method; an input is no text, is empty, or has a mask in it.
            TextTooLongError: a text has more tokens than the model has positions.
        """
        windows = (self._long_text if long_text is None else _checked_long_text(long_text)) == "window"
        many: Iterable[str] = [inputs] if isinstance(inputs, str) else inputs
        if isinstance(many, (bytes, Mapping)) or not isinstance(many, Iterable):
            check_text(inputs)
        scores = score_texts(self.model, many, method=method, windows=windows)
        if isinstance(inputs, str):
            return next(scores)
        return list(scores) if isinstance(inputs, (list, tuple)) else scores

    def restore(
        self,
        source: str,
        *,
        notation: str = "auto",
        keep_ellipses: bool = False,
        strategy: str = "joint",
        readings: int = 10,
        beam: int | None = None,
        lexicon: Sequence[str] = (),
        targets: Mapping[int, Sequence[str]] | None = None,
        locked: Mapping[int, str] | None = None,
        evidence: bool = False,
        on_progress: Callable[[Progress], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Restoration:
        """Read a damaged text: `I am ... to the b[..]ery`. See `fillmask.restore.restore`."""
        from fillmask.restore import BEAM, restore

        return restore(
            self.model,
            source,
            notation=notation,
            keep_ellipses=keep_ellipses,
            strategy=strategy,
            readings=readings,
            beam=BEAM if beam is None else beam,
            lexicon=lexicon,
            targets=targets,
            locked=locked,
            evidence=evidence,
            on_progress=on_progress,
            cancelled=cancelled,
        )

    def _stream(
        self, texts: Iterator[MaskedText], top_k: int, targets: npt.NDArray[np.int64] | None
    ) -> Iterator[Filled]:
        failure: InputError | None = None
        while failure is None:
            ready: list[MaskedText] = []
            try:
                ready.extend(islice(texts, _STREAM_CHUNK))
            except InputError as error:
                failure = error
            if not ready:
                break
            # Those before a bad text are answered before it is reported.
            yield from self._fill(ready, top_k, targets)
        if failure is not None:
            raise failure

    def _fill(self, texts: Sequence[MaskedText], top_k: int, targets: npt.NDArray[np.int64] | None) -> list[Filled]:
        reads = [(text, read) for text in texts for read in text.read]
        rows: list[Ranked] = [[] for _ in reads]
        for index, log_probabilities in self.model.log_probabilities([read for _, read in reads]):
            rows[index] = ranked(log_probabilities, top_k, targets)
        found = iter(rows)
        return [self._candidates(text, [row for _ in text.read for row in next(found)]) for text in texts]

    def _candidates(self, text: MaskedText, ranked: Ranked) -> Filled:
        """Candidates from score and token of each mask's best."""
        single = len(text.positions) == 1
        rows = [
            self._texts.candidates(text.ids, position, best, single=single)
            for position, best in zip(text.positions, ranked, strict=True)
        ]
        return rows[0] if single else rows

    def target_ids(self, targets: str | Sequence[str]) -> npt.NDArray[np.int64]:
        """Token ids of the words to choose among, duplicates collapsed; what is not one token is warned of.

        Raises:
            TargetsError: none can be used.
            InputError: one is no text, or its id is outside the model's vocabulary.
        """
        words = (targets,) if isinstance(targets, str) else tuple(targets)
        # Ten thousand words take longer to look up than a phrase to answer; comparing them takes no time.
        if self._last_targets is None or self._last_targets[0] != words:
            self._last_targets = words, *self._texts.look_up(words)
        _, ids, told = self._last_targets
        for message in told[:_WARNINGS]:
            warnings.warn(message, FillMaskWarning, stacklevel=3)
        if len(told) > _WARNINGS:
            more = f"{len(told) - _WARNINGS:,} more of the {len(words):,} targets do not exist in the model vocabulary."
            warnings.warn(more, FillMaskWarning, stacklevel=3)
        if not len(ids):
            raise TargetsError("At least one target must be provided when passed.")
        return ids


def _opened(arguments: Mapping[str, Any]) -> FillMask:
    return FillMask(**arguments)


def _checked_top_k(top_k: int) -> int:
    if isinstance(top_k, bool) or not isinstance(top_k, (int, np.integer)) or top_k < 0:
        raise InputError(f"top_k is {top_k!r}; expected a whole number, 0 or more")
    return int(top_k)


def _checked_long_text(long_text: str) -> str:
    if long_text not in LONG_TEXTS:
        raise InputError(f"long_text is {long_text!r}; expected {' or '.join(map(repr, LONG_TEXTS))}")
    return long_text


def pipeline(
    task: str | None = None,
    model: str | Path | None = None,
    *,
    engine: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    device: str | int | None = None,
    revision: str | None = None,
    top_k: int | None = None,
    targets: str | Sequence[str] | None = None,
    tokenizer_kwargs: Mapping[str, Any] | None = None,
    long_text: str = "error",
) -> FillMask:
    """The entry point of transformers' tutorial: `pipeline("fill-mask")`.

    Arguments are those of `FillMask`.

    Raises:
        InputError: another task than "fill-mask".
        CheckpointError: the model cannot be opened.
    """
    if task not in (None, "fill-mask"):
        raise InputError(f"there is no task {task!r}; expected 'fill-mask'")
    return FillMask(
        model,
        engine=engine,
        precision=precision,
        threads=threads,
        device=device,
        revision=revision,
        top_k=top_k,
        targets=targets,
        tokenizer_kwargs=tokenizer_kwargs,
        long_text=long_text,
    )
