"""Answers texts of the command line or of stdin one after the other: what `fill`, `score`, and `classify` share."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from fillmask.cli import complain
from fillmask.data.lines import chunks, read_lines, reason

if TYPE_CHECKING:
    from fillmask.errors import InputError

_Answer = TypeVar("_Answer")


def texts_of(arguments: Iterable[str]) -> Iterator[str]:
    """The texts that the arguments name: each argument is one, and - stands for the lines of stdin."""
    for text in arguments:
        if text == "-":
            yield from read_lines(text)
        else:
            yield text


_QUICK = 1.0  # seconds after which it is worth saying how far the work is


@contextmanager
def mask_progress() -> Iterator[Callable[[int, int], None] | None]:
    """What to call with the masks that are done and all masks: a bar on stderr once the work takes over a second.

    None where stderr is no terminal.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("masks"), BarColumn(40), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task("masks")
    begin = time.monotonic()

    def report(finished: int, masks: int) -> None:
        if finished == masks:
            bar.stop()
        elif time.monotonic() - begin > _QUICK:
            bar.start()
            bar.update(task, completed=finished, total=masks)

    try:
        yield report
    finally:
        bar.stop()


def answer_texts(
    texts: Iterator[str],
    answer_each: Callable[[list[str]], Iterator[_Answer | InputError]],
    write: Callable[[str, _Answer], None],
    *,
    single: bool,
    verb: str,
) -> int:
    """Write the answer for each text, and name each text that has none on stderr.

    Args:
        answer_each: answers, or errors of single texts, in the order of the texts.
        single: whether the command line names one text by itself; an error then needs no number.
        verb: what is done with texts, for the error where there are none.

    Returns:
        The exit code: 0, 3 where a text has no answer, and 1 where that is the single text, or there is no text.
    """
    from fillmask.errors import InputError

    count = failures = 0
    for chunk in chunks(texts):
        for text, answer in zip(chunk, answer_each(chunk), strict=True):
            count += 1
            if isinstance(answer, InputError):
                failures += 1
                message = reason(text, answer)
                complain(message if single else f"text {count}: {message}")
            else:
                write(text, answer)
        sys.stdout.flush()
    if not count:
        complain(f"there is no text to {verb}; expected one a line")
        return 1
    if not failures:
        return 0
    return 1 if single else 3
