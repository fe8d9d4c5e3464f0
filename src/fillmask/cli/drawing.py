"""What the terminal shows: filled sentences, scored words, labels and results, with bars for their probabilities."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from fillmask.bars import bar, percent
from fillmask.tasks.masked_texts import MASK_SPELLINGS

if TYPE_CHECKING:
    from fillmask.tasks.blimp import Blimp
    from fillmask.tasks.classify import Label
    from fillmask.tasks.masked_texts import Candidate
    from fillmask.tasks.score import Score

_CIRCLED = "①②③④⑤⑥⑦⑧⑨"


def draw(text: str, masks: list[list[Candidate]], mask_token: str) -> None:
    """Print one text with the candidates of each of its masks."""
    console = Console(highlight=False, soft_wrap=False)
    console.print()
    console.print(_question(text, mask_token, numbered=len(masks) > 1))
    for number, row in enumerate(masks):
        if len(masks) > 1:
            console.print(Text(f"  {_number(number)}", style="bold magenta"))
        words = [_shown(candidate["token_str"]) for candidate in row]
        widest = max((len(word) for word in words), default=0)
        for candidate, word in zip(row, words, strict=True):
            line = Text(f"  {percent(candidate['score'])} ").append_text(bar(candidate["score"])).append("  ")
            if len(masks) > 1:
                line.append(word.ljust(widest), style="bold green")
            else:
                room = max(20, console.width - len(line.plain) - 1)
                line.append_text(_sentence(candidate, text, mask_token, room))
            console.print(line, no_wrap=True, overflow="ellipsis")


def draw_score(score: Score) -> None:
    """Print one text with its score, and each word with how likely it was."""
    console = Console(highlight=False, soft_wrap=False)
    console.print()
    console.print(Text("  " + " ".join(score.text.split()), style="bold"))
    total = f"  {score.score:.2f} nats over {score.tokens} tokens · pseudo-perplexity {score.pseudo_perplexity:,.1f}"
    console.print(Text(total, style="bright_black"))
    widest = max(len(word.word) for word in score.words)
    for word in score.words:
        # The geometric mean over its tokens, so that a long word is not shown as unlikely for its length.
        share = math.exp(word.score / word.tokens)
        line = (
            Text(f"  {percent(share)} ").append_text(bar(share)).append("  ").append(word.word.ljust(widest), "green")
        )
        console.print(line.append(f"  {word.score:8.2f}", "bright_black"), no_wrap=True, overflow="ellipsis")


def draw_labels(text: str, labels: Sequence[Label]) -> None:
    """Print one text with its labels. A score that is no share, as of a regression, is a number without a bar."""
    console = Console(highlight=False, soft_wrap=False)
    console.print()
    console.print(Text("  " + " ".join(text.split()), style="bold"), no_wrap=True, overflow="ellipsis")
    for label in labels:
        score = label["score"]
        if 0 <= score <= 1:
            line = Text(f"  {percent(score)} ").append_text(bar(score)).append("  ")
        else:
            line = Text(f"  {score:8.3f}  ")
        console.print(line.append(label["label"], "bold green" if label is labels[0] else "green"), no_wrap=True, overflow="ellipsis")  # fmt: skip


def draw_shares(shares: Mapping[str, float], below: str) -> None:
    """Print shares with their names, and a line about them; bars on a terminal only."""
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    widest = max(map(len, shares))
    for name, share in shares.items():
        console.print(Text(f"  {name.ljust(widest)}  {percent(share)}").append_text(_bar_on_terminals(" ", share)))
    console.print(Text(f"  {below}", style="bright_black"))


def _bar_on_terminals(gap: str, share: float) -> Text:
    return Text(gap).append_text(bar(share)) if sys.stdout.isatty() else Text()


def draw_blimp(result: Blimp) -> None:
    """Print the accuracy of each phenomenon and of all, a column a method; on a terminal with bars for the last method."""
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    rows = {name.replace("_", " "): values for name, values in result.phenomena.items()} | {"overall": result.accuracy}
    widest = max(map(len, rows))
    heading = "".join(f"{method:>12}" for method in result.methods)
    console.print(Text(f"  {f'{result.pairs:,} pairs'.ljust(widest)}{heading}", style="bright_black"), no_wrap=True)
    for name, values in rows.items():
        style = "bold" if name == "overall" else ""
        line = Text(f"  {name.ljust(widest)}", style=style)
        for method in result.methods:
            line.append(f"{percent(values[method]):>12}", style)
        line.append_text(_bar_on_terminals("  ", values[result.methods[-1]]))
        console.print(line, no_wrap=True, overflow="ellipsis")


def _question(text: str, mask_token: str, *, numbered: bool) -> Text:
    """The text with its masks as blanks."""
    line = Text("  ")
    for number, part in enumerate(split_at_masks(" ".join(text.split()), mask_token)):
        if number:
            line.append(_number(number - 1) if numbered else "", style="bold magenta")
            line.append("____", style="bold magenta")
        line.append(part, style="bold")
    return line


def split_at_masks(text: str, mask_token: str) -> list[str]:
    """The text cut at each mask, however it is spelled."""
    return re.split("|".join(re.escape(m) for m in {mask_token, *MASK_SPELLINGS}), text)


def _number(index: int) -> str:
    return _CIRCLED[index] if index < len(_CIRCLED) else f"({index + 1})"


def _shown(token: str) -> str:
    """A token as a reader sees it; whitespace and control characters by their escapes."""
    return token.strip() or repr(token)[1:-1]


def _sentence(candidate: Candidate, text: str, mask_token: str, room: int) -> Text:
    """The filled text on one line of at most `room` columns, the word in it marked and kept in view."""
    sentence = " ".join(candidate["sequence"].split())
    word = candidate["token_str"].strip()
    start = locate(sentence, word, len(" ".join(split_at_masks(text, mask_token)[0].split())))
    stop = start + len(word)
    if len(sentence) > room:
        begin = max(0, min(start - room // 2, len(sentence) - room))
        end = min(len(sentence), begin + room)
        sentence = ("…" if begin else "") + sentence[begin:end] + ("…" if end < len(sentence) else "")
        moved = begin - (1 if begin else 0)
        start, stop = start - moved, stop - moved
    shown = Text(sentence)
    if word and start >= 0:
        shown.stylize("bold green", start, stop)
    return shown


def locate(sentence: str, word: str, near: int) -> int:
    """Where `word` stands in `sentence`, the occurrence nearest to `near`; -1 if nowhere."""
    places = [match.start() for match in re.finditer(re.escape(word), sentence)] if word else []
    return min(places, key=lambda place: abs(place - near), default=-1)
