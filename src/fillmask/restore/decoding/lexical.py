"""What a word list says of a reading: how frequent its words are, whether they are words, and how they are spelled."""

from __future__ import annotations

from dataclasses import dataclass

from fillmask.restore.word_list import WordList, words_of


@dataclass(frozen=True)
class LexicalEvidence:
    """Sums over the words of a reading; all zero without a word list.

    Attributes:
        frequency: log-frequencies of the words that the list has, in nats.
        unlisted: number of words that the list does not have.
        spelling: log-probabilities of the unlisted words' characters, in nats.
    """

    frequency: float = 0.0
    unlisted: int = 0
    spelling: float = 0.0


def lexical_evidence(words: WordList | None, text: str) -> LexicalEvidence:
    """What a word list says of a text."""
    if words is None:
        return LexicalEvidence()
    frequency, unlisted, spelling = 0.0, 0, 0.0
    for word in words_of(text):
        known = words.log_frequency(word)
        if known is None:
            unlisted += 1
            spelling += words.spelling.log_probability(word)
        else:
            frequency += known
    return LexicalEvidence(frequency, unlisted, spelling)
