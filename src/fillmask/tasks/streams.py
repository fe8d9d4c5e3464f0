"""Answers for streams of texts, in the order of the texts, and errors that belong to one text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from fillmask.errors import InputError
from fillmask.tokenization.tokenizer import check_text

CHUNK_TEXTS = 64

_Text = TypeVar("_Text")
_Prepared = TypeVar("_Prepared")
_Answer = TypeVar("_Answer")


def column_as_list(inputs: Any) -> Any:
    """A column of a table as a list, so that it is answered as one; anything else as it is.

    Columns are pandas' and polars' `Series`, numpy's and pyarrow's arrays, and other sequences, such as the columns of
    `datasets`. None of these libraries is imported.
    """
    if isinstance(inputs, (str, bytes, list, tuple)):
        return inputs
    for name in ("to_list", "to_pylist", "tolist"):
        convert = getattr(inputs, name, None)
        if callable(convert):
            return convert()
    return list(inputs) if isinstance(inputs, Sequence) else inputs


def check_texts(inputs: object) -> None:
    """Raise InputError unless `inputs` is an iterable that may hold texts."""
    if isinstance(inputs, (bytes, Mapping)) or not isinstance(inputs, Iterable):
        check_text(inputs)


def prepare_all(texts: Sequence[_Text], prepare: Callable[[_Text], _Prepared]) -> list[_Prepared]:
    """Prepare each text of a list.

    Raises:
        InputError: of the first text that cannot be used; it says which one, where there are several.
    """
    prepared = []
    for number, text in enumerate(texts, start=1):
        try:
            prepared.append(prepare(text))
        except InputError as error:
            if len(texts) > 1:
                error.args = (f"{error} (text {number} of {len(texts)})",)
            raise
    return prepared


def answer_each(
    texts: Iterable[_Text],
    prepare: Callable[[_Text], _Prepared],
    answer: Callable[[Sequence[_Prepared]], Iterable[_Answer]],
    *,
    size: Callable[[_Prepared], int] | None = None,
    most: int = 0,
    chunk_texts: int = CHUNK_TEXTS,
) -> Iterator[_Answer | InputError]:
    """An answer for each text, or the error of that text, in order.

    Texts are read as answers are taken, a chunk ahead. Where the iterable itself raises, the texts before that are
    answered first.

    Args:
        prepare: raises InputError for a text that cannot be used.
        answer: answers prepared texts, in order. Where it raises InputError for several, each is answered by itself.
        chunk_texts: texts that are answered together, at most.
        size, most: a chunk ends early when the sizes of its prepared texts add up to more than `most`.
    """
    source = iter(texts)
    failure: Exception | None = None
    ended = False
    while not ended:
        chunk: list[_Prepared | InputError] = []
        total = 0
        while len(chunk) < chunk_texts and (size is None or total <= most):
            try:
                text = next(source)
            except StopIteration:
                ended = True
                break
            except Exception as error:
                failure, ended = error, True
                break
            try:
                prepared = prepare(text)
            except InputError as error:
                chunk.append(error)
                continue
            chunk.append(prepared)
            total += 0 if size is None else size(prepared)
        yield from _answer_chunk(chunk, answer)
    if failure is not None:
        raise failure


def _answer_chunk(
    chunk: Sequence[_Prepared | InputError], answer: Callable[[Sequence[_Prepared]], Iterable[_Answer]]
) -> Iterator[_Answer | InputError]:
    usable = [item for item in chunk if not isinstance(item, InputError)]
    answers: list[_Answer | InputError] = []
    try:
        answers.extend(answer(usable) if usable else ())
    except InputError as error:
        # What is wrong with one text must not take the others' answers.
        answers = [error] if len(usable) == 1 else [a for item in usable for a in _answer_chunk([item], answer)]
    rest = iter(answers)
    for item in chunk:
        yield item if isinstance(item, InputError) else next(rest)


def raise_errors(answers: Iterable[_Answer | InputError], *, count: int | None = None) -> Iterator[_Answer]:
    """The answers up to the first error, which is raised.

    Args:
        count: how many texts there are, where that is known; the error then says which text it belongs to.
    """
    for number, answer in enumerate(answers, start=1):
        if isinstance(answer, InputError):
            if count is not None and count > 1:
                answer.args = (f"{answer} (text {number} of {count})",)
            raise answer
        yield answer
