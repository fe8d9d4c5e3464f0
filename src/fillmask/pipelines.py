"""The public calls: `FillMask`, and `pipeline` as in transformers' tutorial.

Results have the shapes, the values, and the messages of transformers'
`pipeline("fill-mask")`. Where fillmask does more, the docstring says so:
`<mask>` and `[MASK]` are understood with every model, a text that is too long
or is no text is an error that says so, and lists are batched whatever
`batch_size` says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from fillmask.errors import InputError
from fillmask.models.hub import using_token
from fillmask.runtime.masked_lm import MaskedLM
from fillmask.runtime.options import RuntimeOptions
from fillmask.runtime.transformers_arguments import runtime_options
from fillmask.tasks.fill import FilledMasks, FillOptions, MaskFiller
from fillmask.tasks.masked_texts import Candidate
from fillmask.tasks.score import Score, score_texts
from fillmask.tasks.streams import raise_errors
from fillmask.tasks.targets import Targets
from fillmask.tokenization.tokenizer import Tokenizer, check_text

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
        self.model = MaskedLM(model, runtime, tokenizer=_own_tokenizer(tokenizer))
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

    def __reduce__(self) -> tuple[Callable[..., FillMask], tuple[Mapping[str, Any]]]:
        """A copy, in this process or in another, opens the model again: sessions and mapped files cannot be sent."""
        return _opened, (self._arguments,)

    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, inputs: str, *, top_k: int | None = ..., targets: str | Sequence[str] | None = ...,
        tokenizer_kwargs: Mapping[str, Any] | None = ..., long_text: str | None = ..., batch_size: int | None = ...,
        num_workers: int | None = ...,
    ) -> Filled: ...  # fmt: skip

    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, inputs: list[str] | tuple[str, ...], *, top_k: int | None = ...,
        targets: str | Sequence[str] | None = ..., tokenizer_kwargs: Mapping[str, Any] | None = ...,
        long_text: str | None = ..., batch_size: int | None = ..., num_workers: int | None = ...,
    ) -> Filled | list[Filled]: ...  # fmt: skip

    @overload
    def __call__(
        self, inputs: Iterable[str], *, top_k: int | None = ..., targets: str | Sequence[str] | None = ...,
        tokenizer_kwargs: Mapping[str, Any] | None = ..., long_text: str | None = ..., batch_size: int | None = ...,
        num_workers: int | None = ...,
    ) -> Iterator[Filled]: ...  # fmt: skip

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
    ) -> Filled | list[Filled] | Iterator[Filled]:
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
        options = self._options_for(top_k, targets, tokenizer_kwargs, long_text)
        if isinstance(inputs, str):
            return _nested(self._filler.fill_list([inputs], options)[0])
        if isinstance(inputs, (list, tuple)):
            answers = [_nested(masks) for masks in self._filler.fill_list(inputs, options)]
            return answers[0] if len(answers) == 1 else answers
        _check_texts(inputs)
        return map(_nested, raise_errors(self._filler.fill_each(inputs, options)))

    def _options_for(
        self,
        top_k: int | None,
        targets: str | Sequence[str] | None,
        tokenizer_kwargs: Mapping[str, Any] | None,
        long_text: str | None,
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
            InputError: no such method; an input is no text, is empty, or has a mask in it.
            TextTooLongError: a text has more tokens than the model has positions.
        """
        windows = self._options_for(None, None, None, long_text).long_text == "window"
        if isinstance(inputs, str):
            return next(score_texts(self.model, [inputs], method=method, windows=windows))
        _check_texts(inputs)
        scores = score_texts(self.model, inputs, method=method, windows=windows)
        return list(scores) if isinstance(inputs, (list, tuple)) else scores

    def restore(
        self,
        source: str,
        *,
        notation: str = "auto",
        keep_ellipses: bool = False,
        div: str | None = None,
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
        """Read a damaged text: `I am ... to the b[..]ery`. See `fillmask.restore.RestoreOptions` for the arguments."""
        from fillmask.restore import restore

        return restore(
            self.model,
            source,
            on_progress=on_progress,
            cancelled=cancelled,
            notation=notation,
            keep_ellipses=keep_ellipses,
            div=div,
            strategy=strategy,
            readings=readings,
            beam=beam,
            lexicon=lexicon,
            targets=targets,
            locked=locked,
            evidence=evidence,
        )

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
        self, text: str, *, min_probability: float | None = None, cancelled: Callable[[], bool] | None = None
    ) -> Correction:
        """Mend what was misread in a text, such as the output of an OCR engine.

        Args:
            min_probability: change a word from this probability on, and mark it as doubtful below; 0.6 by default.
            cancelled: called before each batch; True ends the work.

        Raises:
            InputError: the text or an argument cannot be used.
        """
        from fillmask.restore.correction.corrector import MIN_PROBABILITY, Corrector

        if self._corrector is None:
            self._corrector = Corrector(self.model)
        threshold = MIN_PROBABILITY if min_probability is None else min_probability
        return self._corrector.correct(text, min_probability=threshold, cancelled=cancelled)


def _opened(arguments: Mapping[str, Any]) -> FillMask:
    return FillMask(**arguments)


def _nested(masks: FilledMasks) -> Filled:
    """The answer for a text as transformers nests it."""
    return masks[0] if len(masks) == 1 else masks


def _check_texts(inputs: object) -> None:
    """Raise InputError unless `inputs` is an iterable that may hold texts."""
    if isinstance(inputs, (bytes, Mapping)) or not isinstance(inputs, Iterable):
        check_text(inputs)


def _own_tokenizer(tokenizer: Any) -> str | Path | Tokenizer | None:
    """What `MaskedLM` takes for a tokenizer of transformers; names and tokenizers of fillmask as they are."""
    if tokenizer is None or isinstance(tokenizer, (str, Path, Tokenizer)):
        return tokenizer
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise InputError(
            f"tokenizer is a {type(tokenizer).__name__}; expected a folder, a hub id, or a fast tokenizer (use_fast=True)"
        )
    return Tokenizer(
        type(backend).from_str(backend.to_str()),  # a copy: its truncation and padding stay as they are
        {role: str(token) for role, token in tokenizer.special_tokens_map.items() if isinstance(token, str)},
        int(min(tokenizer.model_max_length, 1_000_000)),
        clean_up=bool(getattr(tokenizer, "clean_up_tokenization_spaces", False)),
        truncation_side=tokenizer.truncation_side,
        type_ids="token_type_ids" in tokenizer.model_input_names,
    )


_CLASSIFICATION = ("text-classification", "sentiment-analysis")
# Tasks that are another call here, and how they are called.
_OTHER_CALLS = {
    "restore": 'pipeline("fill-mask").restore(text)',
    "score": 'pipeline("fill-mask").score(text)',
    "evaluate": "`fillmask evaluate`",
    "train": "`fillmask train`",
    "zero-shot-classification": 'pipeline("text-classification", model) with a fine-tuned model (`fillmask train finetune`)',
    "text-generation": 'pipeline("fill-mask").restore(text), which writes into gaps of any length',
    "text2text-generation": 'pipeline("fill-mask").restore(text), which writes into gaps of any length',
}


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
        call = _OTHER_CALLS.get(str(task))
        raise InputError(
            f"there is no task {task!r}; {f'use {call}' if call else 'expected fill-mask or text-classification'}"
        )
    if model is not None and not isinstance(model, (str, Path)):
        name = getattr(model, "name_or_path", None)
        raise InputError(
            f"model is a {type(model).__name__}; expected its folder or hub id{f' ({name!r})' if name else ''}:"
            " call save_pretrained(folder) and pass the folder"
        )
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
