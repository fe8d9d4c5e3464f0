"""Whether a text is in the language of its model, by what the document says and by the words that the model's list has."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from fillmask.restore.damage import Damaged
from fillmask.restore.word_list import WordList, words_of

_FEWEST = 8  # words that a judgement needs
_FREQUENT = -9.0  # nats: a word that is one of 8,000 or more is frequent
_SHARE = 0.4  # of the words of a text that are frequent; two in three are in any text of the language
_LANGUAGE = re.compile(r"\A---\n(?:.*\n)*?language:\s*(?:\[\s*|\n-\s*)?\"?([A-Za-z]{2,3})\b")


def foreign_language(damaged: Damaged, declared: str, model: str, words: WordList | None) -> str:
    """What to say of a text that is not in the model's language; "" where it is, or where nobody can tell.

    Args:
        declared: the language that the document names, as `la` or `en-GB`; "" for none.
        model: that of the model, "" where it is not known.
        words: the model's word list.
    """
    if declared and model:
        if declared.partition("-")[0].lower() == model:
            return ""
        return f"the document says that its language is {declared}, and the model knows {model}"
    share = known_share(damaged, words)
    if share is None or share >= _SHARE:
        return ""
    language = f"the model's language ({model})" if model else "the model's language"
    return f"the text does not seem to be in {language}: {share:.0%} of its words are frequent there"


def known_share(damaged: Damaged, words: WordList | None) -> float | None:
    """Share of a text's words, holes apart, that are frequent in the list's language; None for too few words to tell."""
    if words is None:
        return None
    text = " ".join(part for part in damaged.parts if isinstance(part, str))
    text_words = words_of(text)
    if len(text_words) < _FEWEST:
        return None
    return sum((words.log_frequency(word.lower()) or -99.0) > _FREQUENT for word in text_words) / len(text_words)


@lru_cache(maxsize=8)
def model_language(folder: Path) -> str:
    """The language that a checkpoint's model card names, "" for none."""
    try:
        card = (folder / "README.md").read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    match = _LANGUAGE.match(card)
    return match[1].lower() if match else ""
