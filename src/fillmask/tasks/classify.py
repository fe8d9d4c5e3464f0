"""Which label does a text have? Fine-tuned classifiers, through the engines that fill masks, without torch.

Results have the shape and the values of transformers' `pipeline("text-classification")`. `fillmask train finetune`
makes such checkpoints, and those of the hub are read as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from fillmask.choices import LABEL_FUNCTIONS
from fillmask.errors import CorruptCheckpointError, InputError, TextTooLongError
from fillmask.models import encoders
from fillmask.models.checkpoint import Checkpoint, check_head, open_checkpoint
from fillmask.runtime import engines
from fillmask.runtime.batching import collate, plan
from fillmask.runtime.checks import check_numbers, check_token_ids
from fillmask.runtime.engines import BatchBudget, Floats
from fillmask.runtime.options import RuntimeOptions
from fillmask.tasks.streams import answer_each, column_as_list, prepare_all, raise_errors
from fillmask.tokenization.masked_input import MaskedInput
from fillmask.tokenization.tokenizer import Tokenizer, check_text

_UNSAID: Any = object()  # of top_k, whose None means all labels

Text = str | Mapping[str, str]  # a text, or {"text", "text_pair"}


class Label(TypedDict):
    """One label of a text with its score."""

    label: str
    score: float


class Classifier:
    """Labels for texts.

    Args:
        model: a checkpoint folder or a hub id (`id` or `id@revision`) of a model that was fine-tuned to classify.
        engine, precision, threads, device, revision: as for `FillMask`; "auto" is float32 here.
        top_k: how many labels, unless the call says otherwise; None for all.
        function_to_apply: what makes scores of logits, unless the call says otherwise.

    Raises:
        UnsupportedModelError: the model has no classification head, or one that is not implemented.
        CheckpointError: the model cannot be opened.
        InputError: an argument cannot be used.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        engine: str = "auto",
        precision: str = "auto",
        threads: int | None = None,
        device: str | int | None = None,
        revision: str | None = None,
        top_k: int | None = _UNSAID,
        function_to_apply: str | None = None,
    ) -> None:
        options = RuntimeOptions(engine, precision, threads, device, revision)
        self.checkpoint: Checkpoint = open_checkpoint(model, revision=revision)
        check_head(self.checkpoint, "classify")
        self.tokenizer: Tokenizer = self.checkpoint.tokenizer
        config = self.checkpoint.config
        self.labels: tuple[str, ...] = labels_of(self.checkpoint)
        self.engine = engines.load(self.checkpoint, options, labels=len(self.labels))
        self._everywhere = encoders.pools_all(config)
        self._vocab_size = config.integer("vocab_size")
        self._top_k = _checked_top_k(top_k)
        self._function = _checked_function(function_to_apply) or self._own_function()

    def __call__(
        self,
        inputs: Text | Iterable[Text],
        *,
        top_k: int | None = _UNSAID,
        function_to_apply: str | None = None,
        batch_size: int | None = None,
        **tokenizer_kwargs: Any,
    ) -> Any:
        """The labels of texts, best first.

        Args:
            inputs: a text, or `{"text": …, "text_pair": …}` for a pair of texts; a list of them; or any other
                iterable, which is read as results are taken.
            top_k: how many labels; None for all of them. Without it, the best one.
            function_to_apply: "softmax", "sigmoid" or "none". Without it, as the config says: nothing for a
                regression, sigmoid for a single label or for several that do not exclude each other, else softmax.
            batch_size: accepted for transformers' sake; batches are made by length.
            tokenizer_kwargs: `truncation`, `max_length`, `add_special_tokens`.

        Returns:
            As transformers: `[{"label", "score"}]` for a text; for a list, one such object each; for another
            iterable, an iterator over them. Where `top_k` is given, a list of objects stands for each text.

        Raises:
            TextTooLongError: a text has more tokens than the model has positions, and truncation was not asked for.
            InputError: an input is not a text, or an option is wrong.
        """
        count = self._top_k if top_k is _UNSAID else _checked_top_k(top_k)
        best_only = count is _UNSAID
        count = None if best_only else count
        function = _checked_function(function_to_apply) or self._function

        def shaped(labels: list[Label]) -> Any:
            return labels[0] if best_only else labels

        if isinstance(inputs, (str, Mapping)):
            (labels,) = self._answer([self._encode(inputs, tokenizer_kwargs)], count, function)
            # transformers puts a text's answer in a list, but not a pair's, nor one to a call with top_k.
            return [shaped(labels)] if isinstance(inputs, str) and top_k is _UNSAID else shaped(labels)
        inputs = column_as_list(inputs)
        if isinstance(inputs, (list, tuple)):
            items = prepare_all(inputs, lambda text: self._encode(text, tokenizer_kwargs))
            return [shaped(labels) for labels in self._answer(items, count, function)]
        if isinstance(inputs, Iterable) and not isinstance(inputs, bytes):
            answers = self.label_each(inputs, count, function_to_apply=function, **tokenizer_kwargs)
            return map(shaped, raise_errors(answers))
        check_text(inputs)
        raise AssertionError("unreachable: not a text, and check_text passed it")

    def label_each(
        self,
        texts: Iterable[Text],
        top_k: int | None = None,
        *,
        function_to_apply: str | None = None,
        **tokenizer_kwargs: Any,
    ) -> Iterator[list[Label] | InputError]:
        """The labels of each text, best first, or the error of that text, as they are taken.

        Args:
            top_k: labels for each text, at most; None for all.
        """
        function = _checked_function(function_to_apply) or self._function
        return answer_each(
            texts,
            lambda text: self._encode(text, tokenizer_kwargs),
            lambda chunk: self._answer(chunk, top_k, function),
        )

    def logits(self, inputs: Sequence[Text], **tokenizer_kwargs: Any) -> Floats:
        """What the head gives before any function, (texts, labels)."""
        return self._logits([self._encode(text, tokenizer_kwargs) for text in inputs])

    def _encode(self, text: Text, options: Mapping[str, Any]) -> MaskedInput:
        first, second = text, None
        if isinstance(text, Mapping):
            unknown = set(text) - {"text", "text_pair"}
            if unknown or "text" not in text:
                raise InputError(f"the input has the keys {', '.join(map(repr, text))}; expected text and text_pair")
            first, second = text["text"], text.get("text_pair")
        elif isinstance(text, (list, tuple)):
            raise InputError('the input is a list in a list; expected {"text": …, "text_pair": …} for a pair of texts')
        encoding = self.tokenizer.encode_text(first, options, any_length=True, pair=second)  # type: ignore[arg-type]
        longest = self.tokenizer.model_max_length
        if len(encoding.ids) > longest:
            raise TextTooLongError(
                f"the text has {len(encoding.ids)} tokens and the model takes {longest}; shorten it,"
                " or have its end cut off (truncation=True, --truncate)"
            )
        if not encoding.ids:
            raise InputError(f"the text {first!r:.40} has no tokens; there is nothing to classify")
        check_token_ids(max(encoding.ids), self._vocab_size)
        return MaskedInput(encoding.ids, encoding.type_ids, range(len(encoding.ids)) if self._everywhere else (0,))

    def _logits(self, items: Sequence[MaskedInput]) -> Floats:
        pad = self.checkpoint.padding_id
        result = np.zeros((len(items), len(self.labels)), np.float32)
        # A classifier's rows are short, whatever it looks at: only tokens count.
        tokens = self.engine.budget.tokens
        for indices in plan(items, BatchBudget(tokens, tokens)):
            result[indices] = check_numbers(self.engine.run(collate([items[i] for i in indices], pad)))
        return result

    def _answer(self, items: Sequence[MaskedInput], top_k: int | None, function: str) -> list[list[Label]]:
        """The labels of each text, best first, of equals the first."""
        answers: list[list[Label]] = []
        for scores in _applied(self._logits(items), function).tolist():
            order = sorted(range(len(scores)), key=lambda label: -scores[label])[:top_k]
            answers.append([{"label": self.labels[label], "score": scores[label]} for label in order])
        return answers

    def _own_function(self) -> str:
        kind = self.checkpoint.config.raw("problem_type")
        if kind == "regression":
            return "none"
        if kind == "multi_label_classification" or len(self.labels) == 1:
            return "sigmoid"
        return "softmax"


def labels_of(checkpoint: Checkpoint) -> tuple[str, ...]:
    """The names of a classifier's labels, in the order of its logits.

    Raises:
        CorruptCheckpointError: the config's id2label is not a numbering from 0.
    """
    config = checkpoint.config
    named = config.raw("id2label")
    if named is None:  # transformers leaves the default out of the file
        return tuple(f"LABEL_{number}" for number in range(config.integer("num_labels", 2)))
    try:
        numbers = {int(number): str(label) for number, label in named.items()}
    except (AttributeError, ValueError):
        numbers = {}
    if not numbers or sorted(numbers) != list(range(len(numbers))):
        raise CorruptCheckpointError(f"config.json has id2label={named!r:.80}; expected labels numbered from 0")
    return tuple(numbers[number] for number in range(len(numbers)))


def _applied(logits: Floats, function: str) -> Floats:
    """Scores of logits (texts, labels)."""
    scores = logits
    if function == "softmax":
        scores = np.exp(logits - logits.max(axis=1, keepdims=True))
        scores /= scores.sum(axis=1, keepdims=True)
    elif function == "sigmoid":
        # exp of a negative number only: it cannot overflow.
        small = np.exp(-np.abs(logits))
        scores = np.where(logits >= 0, 1 / (1 + small), small / (1 + small))
    return scores


def _checked_top_k(top_k: int | None) -> int | None:
    if top_k is _UNSAID or top_k is None:
        return top_k
    if isinstance(top_k, bool) or not isinstance(top_k, (int, np.integer)) or top_k < 0:
        raise InputError(f"top_k is {top_k!r}; expected a whole number, 0 or more, or None for all labels")
    return int(top_k)


def _checked_function(function: str | None) -> str | None:
    if function is None:
        return None
    if str(function).lower() not in LABEL_FUNCTIONS:
        raise InputError(f"function_to_apply is {function!r}; expected {', '.join(map(repr, LABEL_FUNCTIONS))}")
    return str(function).lower()
