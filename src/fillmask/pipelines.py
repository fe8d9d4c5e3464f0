"""The public calls: `FillMask`, and `pipeline` as in transformers' tutorial.

Results have the shapes, the values, and the messages of transformers'
`pipeline("fill-mask")`. Where fillmask does more, the docstring says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

from fillmask.choices import MIN_CORRECTION_PROBABILITY
from fillmask.errors import InputError
from fillmask.models.hub import using_token
from fillmask.runtime.masked_lm import MaskedLM
from fillmask.runtime.options import RuntimeOptions
from fillmask.runtime.transformers_arguments import check_model_name, no_such_task, own_tokenizer, runtime_options
from fillmask.tasks.fill import FillArguments, FillOptions, MaskFiller
from fillmask.tasks.masked_texts import Candidate
from fillmask.tasks.score import Score, score_texts
from fillmask.tasks.streams import check_texts, column_as_list, raise_errors
from fillmask.tasks.targets import Targets
from fillmask.tokenization.tokenizer import Tokenizer

if TYPE_CHECKING:
    from fillmask.restore import Progress, Restoration
    from fillmask.restore.correction.correction import Correction
    from fillmask.restore.correction.corrector import Corrector
    from fillmask.tasks.classify import Classifier

# The answer for a text: candidates for its mask, or with several masks such a list for each.
Filled = list[Candidate] | list[list[Candidate]]


class FillMask:
    """Ranked fillings for the masks of a text.

    Args:
        model: None for the bundled model, a checkpoint folder, or a hub id (`id` or `id@revision`).
        tokenizer: in place of the checkpoint's own: a folder, a hub id, or a fast tokenizer of transformers.
        engine: "onnxruntime", or "openvino" or "torch" where those extras are installed; "auto" is onnxruntime, or
            torch for the families that have no graph and for devices other than the CPU.
        precision: "auto", or one that the engine has.
        threads: threads for one batch; all cores by default.
        device: for the torch engine, "cpu", "cuda", or transformers' numbers; a GPU where there is one by default.
        revision: branch, tag, or commit of a hub id.
        top_k: answers for each mask, unless the call says otherwise.
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
        tokenizer: Any = None,
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
        options = FillOptions(
            top_k=5 if top_k is None else top_k, long_text=long_text, tokenizer_kwargs=tokenizer_kwargs
        )
        runtime = RuntimeOptions(engine, precision, threads, device, revision)
        self.model = MaskedLM(model, runtime, tokenizer=own_tokenizer(tokenizer))
        self.tokenizer: Tokenizer = self.model.tokenizer
        self._filler = MaskFiller(self.model)
        self.mask_token: str = self._filler.texts.mask_token
        self.mask_token_id: int = self._filler.texts.mask_token_id
        self._corrector: Corrector | None = None
        self._last_targets: tuple[tuple[str, ...], Targets] | None = None
        self._options = options if targets is None else replace(options, targets=self._look_up(targets))
        running = {"engine": self.model.engine.name, "precision": self.model.engine.precision}
        self._arguments: dict[str, Any] = {
            "model": model, "tokenizer": tokenizer, **vars(runtime), **running, "top_k": top_k, "targets": targets,
            "tokenizer_kwargs": tokenizer_kwargs, "long_text": long_text,
        }  # fmt: skip

    def __reduce__(self) -> tuple[Callable[[], FillMask], tuple[()]]:
        """A copy, in this process or in another, opens the model again: sessions and mapped files cannot be sent."""
        return partial(FillMask, **self._arguments), ()

    @overload
    def __call__(self, inputs: str, **options: Unpack[FillArguments]) -> Filled: ...  # type: ignore[overload-overlap]

    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, inputs: list[str] | tuple[str, ...], **options: Unpack[FillArguments]
    ) -> Filled | list[Filled]: ...

    @overload
    def __call__(self, inputs: Iterable[str], **options: Unpack[FillArguments]) -> Iterator[Filled]: ...

    @overload
    def __call__(
        self,
        inputs: Any,
        *,
        multi_token: Literal[True],
        targets: Any,
        top_k: int | None = ...,
        long_text: str | None = ...,
    ) -> Any: ...

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
        multi_token: bool = False,
    ) -> Any:
        """The likeliest tokens for each mask.

        Args:
            inputs: a text, a list or tuple of texts, or any other iterable of
                texts (a generator, an open file), which is read as results are taken, 64 texts ahead.
            top_k: answers for each mask, 5 by default, at most as many as there are targets.
            targets: choose among these only. Each stands for one token: a word
                that the vocabulary lacks is replaced by its first sub-word, with a
                warning (for the first twenty such words; one more counts the rest).
            tokenizer_kwargs: `truncation`, `max_length`, `add_special_tokens`.
            long_text: for a text with more tokens than the model has positions,
                "error" (the default), or "window": masks are read in windows of the
                text, each with at least a quarter of a window of text on either side.
            batch_size: accepted for transformers' sake; batches are made by length.
            num_workers: the same.
            multi_token: let a target be a word or phrase of any number of tokens, as it stands in the text, and rank
                targets by their joint probability (`fillmask.tasks.phrases`). A candidate then has all targets by
                default, the ids of its tokens in `token`, and `log_probability`.

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
        inputs = column_as_list(inputs)
        if multi_token:
            return self._fill_phrases(inputs, targets, top_k, long_text)
        options = self._options_for(top_k, targets, tokenizer_kwargs, long_text)
        return _shaped(
            inputs, partial(self._filler.fill_list, options=options), partial(self._filler.fill_each, options=options)
        )

    def _fill_phrases(self, inputs: Any, targets: Any, top_k: int | None, long_text: str | None) -> Any:
        from fillmask.tasks.phrases import PhraseFiller

        words = (targets,) if isinstance(targets, str) else tuple(targets or ())
        windows = self._options_for(top_k, None, None, long_text).long_text == "window"
        filler = PhraseFiller(self.model, words, top_k=top_k, windows=windows)
        return _shaped(inputs, filler.fill_list, filler.fill_each)

    def _options_for(
        self, top_k: int | None, targets: Any, tokenizer_kwargs: Any, long_text: str | None
    ) -> FillOptions:
        """The options of a call: those of the constructor, where the call does not say otherwise."""
        changes: dict[str, Any] = {"top_k": top_k, "tokenizer_kwargs": tokenizer_kwargs, "long_text": long_text}
        if targets is not None:
            changes["targets"] = self._look_up(targets)
        changes = {name: value for name, value in changes.items() if value is not None}
        return replace(self._options, **changes) if changes else self._options

    def _look_up(self, targets: str | Sequence[str]) -> Targets:
        """The targets of a call or of the constructor, with a warning for each that is not one token."""
        words = (targets,) if isinstance(targets, str) else tuple(targets)
        # Ten thousand words take longer to look up than a phrase to answer; comparing them takes no time.
        if self._last_targets is None or self._last_targets[0] != words:
            self._last_targets = words, Targets.from_tokens(self.tokenizer, words, self.model.vocab_size)
        self._last_targets[1].warn(stacklevel=4)
        return self._last_targets[1]

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
            method: which tokens are hidden with the one that is predicted:
                "word-l2r" (the later ones of its word), "original" (none) or
                "whole-word" (all of its word); see `fillmask.tasks.score`.
            long_text: as for fillings.

        Returns:
            A `Score` for a text, a list of them for a list, an iterator for another iterable.

        Raises:
            InputError: no such method, or an input that cannot be scored.
        """
        windows = self._options_for(None, None, None, long_text).long_text == "window"
        if isinstance(inputs, str):
            return next(score_texts(self.model, [inputs], method=method, windows=windows))
        inputs = column_as_list(inputs)
        check_texts(inputs)
        scores = score_texts(self.model, inputs, method=method, windows=windows)
        return list(scores) if isinstance(inputs, (list, tuple)) else scores

    def log_probabilities(
        self,
        inputs: str | Iterable[str],
        *,
        convention: str = "masked",
        targets: str | Sequence[str] | None = None,
        long_text: str | None = None,
    ) -> Any:
        """Log-probabilities at every position of a text: masked or wild-type marginals.

        Args:
            inputs: as for `score`.
            convention: "masked" (each position masked in turn) or "wild-type" (nothing masked); see
                `fillmask.tasks.marginals` for the formulas.
            targets: the tokens to give, as the vocabulary writes them; all by default.
            long_text: as for fillings.

        Returns:
            A `TokenLogProbabilities` for a text, a list of them for a list, an iterator for another iterable.

        Raises:
            InputError: no such convention or target, or an input that cannot be scored.
        """
        from fillmask.tasks.marginals import log_probabilities_each

        windows = self._options_for(None, None, None, long_text).long_text == "window"
        columns = None if targets is None else self._look_up(targets)
        many = [inputs] if isinstance(inputs, str) else column_as_list(inputs)
        check_texts(many)
        count = len(many) if isinstance(many, (list, tuple)) else None
        answers = raise_errors(
            log_probabilities_each(self.model, many, convention=convention, targets=columns, windows=windows),
            count=count,
        )
        if isinstance(inputs, str):
            return next(answers)
        return list(answers) if count is not None else answers

    def restore(
        self,
        source: str,
        *,
        on_progress: Callable[[Progress], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
        **options: Any,
    ) -> Restoration:
        """Read a damaged text: `I am ... to the b[..]ery`.

        Arguments and errors are those of `fillmask.restore.restore`, whose options are the fields of
        `fillmask.restore.RestoreOptions`: `notation`, `strategy`, `readings`, `lexicon`, and so on.
        """
        from fillmask.restore import restore

        return restore(self.model, source, on_progress=on_progress, cancelled=cancelled, **options)

    def push_to_hub(self, repo_id: str, *, private: bool = False, commit_message: str | None = None) -> str:
        """Upload the checkpoint with its model card to the Hugging Face hub; returns the address of the commit.

        Args:
            repo_id: such as `name/model`. A repository that isn't there is made.
            private: whether a new repository is private.
            commit_message: of the commit.

        Raises:
            InputError: `repo_id` is no name of a repository.
            CheckpointError: the hub refuses the upload or can't be reached.
        """
        from fillmask.models.publishing import push

        return push(self.model.checkpoint.folder, repo_id, private=private, message=commit_message)

    def correct(
        self,
        text: str,
        *,
        min_probability: float = MIN_CORRECTION_PROBABILITY,
        cancelled: Callable[[], bool] | None = None,
    ) -> Correction:
        """Mend what was misread in a text, such as the output of an OCR engine.

        Args:
            min_probability: change a word from this probability on, and mark it as doubtful below.
            cancelled: called before each batch; True ends the work.

        Raises:
            InputError: the text or an argument cannot be used.
        """
        from fillmask.restore.correction.corrector import Corrector

        if self._corrector is None:
            self._corrector = Corrector(self.model)
        return self._corrector.correct(text, min_probability=min_probability, cancelled=cancelled)


def _shaped(inputs: Any, fill_list: Callable[[Any], Any], fill_each: Callable[[Any], Any]) -> Any:
    """Answers nested as transformers nests them: without a list for a single mask, and for a single text."""

    def nested(masks: Any) -> Any:
        return masks[0] if len(masks) == 1 else masks

    if isinstance(inputs, (str, list, tuple)):
        answers = [nested(masks) for masks in fill_list([inputs] if isinstance(inputs, str) else inputs)]
        return answers[0] if len(answers) == 1 else answers
    check_texts(inputs)
    return map(nested, raise_errors(fill_each(inputs)))


_CLASSIFICATION = ("text-classification", "sentiment-analysis")


@overload
def pipeline(
    task: Literal["text-classification", "sentiment-analysis"], model: str | Path | None = ..., **arguments: Any
) -> Classifier: ...


@overload
def pipeline(task: Literal["fill-mask"] | None = ..., model: str | Path | None = ..., **arguments: Any) -> FillMask: ...


def pipeline(task: str | None = None, model: str | Path | None = None, **arguments: Any) -> FillMask | Classifier:
    """The entry point of transformers' tutorials: `pipeline("fill-mask")`.

    Args:
        task: "fill-mask" (the default) for a `FillMask`, or "text-classification" (also "sentiment-analysis") for a
            `fillmask.tasks.classify.Classifier`.
        model: a checkpoint folder or a hub id; None for the bundled model, which fills masks.
        arguments: those of `FillMask` or of `Classifier`, and transformers': `tokenizer`, `dtype` or `torch_dtype`,
            `device`, `device_map`, `revision`, `token` and `model_kwargs` are used; `batch_size`, `num_workers`,
            `trust_remote_code`, `use_fast=True` and `framework="pt"` are accepted and change nothing; others are
            refused with what to do instead.

    Raises:
        InputError: another task, or an argument that cannot be used.
        CheckpointError: the model cannot be opened.
    """
    classifies = task in _CLASSIFICATION
    if task not in (None, "fill-mask") and not classifies:
        raise no_such_task(task)
    check_model_name(model)
    own = _CLASSIFIER_ARGUMENTS if classifies else _FILL_ARGUMENTS
    kept = {name: arguments.pop(name) for name in own if name in arguments}
    token = arguments.pop("token", arguments.pop("use_auth_token", None))
    flat = {name: kept.pop(name) for name in _RUNTIME_ARGUMENTS if name in kept}
    runtime = runtime_options(RuntimeOptions(**flat), arguments)
    with using_token(token):
        if not classifies:
            return FillMask(model, **vars(runtime), **kept)
        from fillmask.tasks.classify import Classifier

        if model is None:
            raise InputError(
                "the bundled model does not classify; name one that was fine-tuned to, or make one with"
                " `fillmask train finetune`"
            )
        return Classifier(model, **vars(runtime), **kept)


_RUNTIME_ARGUMENTS = tuple(RuntimeOptions.__dataclass_fields__)
_FILL_ARGUMENTS = (*_RUNTIME_ARGUMENTS, "tokenizer", "top_k", "targets", "tokenizer_kwargs", "long_text")
_CLASSIFIER_ARGUMENTS = (*_RUNTIME_ARGUMENTS, "top_k", "function_to_apply")
