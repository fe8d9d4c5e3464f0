"""Which words of the context mattered: evidence by occlusion.

Each word near a hole is hidden in turn, and the best reading asked for again;
how much less likely it is without the word is the word's weight.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from fillmask.restore.decoding.cached_scorer import CachedScorer
from fillmask.restore.restoration import Evidence
from fillmask.tokenization.encoding import Word, WordEncoding
from fillmask.tokenization.masked_input import MaskedInput
from fillmask.tokenization.tokenizer import Tokenizer

_NEAR = 20  # words on each side that are hidden in turn
_FAR = 40  # words on each side that are read
_LETTER = re.compile(r"\w")


def occlusion(scorer: CachedScorer, tokenizer: Tokenizer, text: str, start: int, end: int) -> tuple[Evidence, ...]:
    """The context words of a reading, those that mattered most first.

    Args:
        text: the restored text.
        start, end: the characters of the reading in it.

    Returns:
        A word each, punctuation not among them; nothing for a reading that is empty or too long for the model.
    """
    begin, stop = _around(text, start, end)
    encoded = tokenizer.encode_words(text[begin:stop])
    own = [w for w in encoded.words if w.start < end - begin and w.end > start - begin]
    if not own or len(encoded.ids) > tokenizer.model_max_length:
        return ()
    before = [w for w in encoded.words if w.end <= start - begin]
    after = [w for w in encoded.words if w.start >= end - begin]
    words = [w for w in before if _is_word(encoded, w)][-_NEAR:] + [w for w in after if _is_word(encoded, w)][:_NEAR]
    places = [place for word in own for place in word.places]
    rows, wanted = [], []
    for hidden in (None, *words):
        gone = set() if hidden is None else set(hidden.places)
        for word in own:
            for place in word.places:
                ids = [scorer.mask if p in gone or p in _rest(word, place) else t for p, t in enumerate(encoded.ids)]
                rows.append(MaskedInput(ids, encoded.type_ids, [place]))
                wanted.append(encoded.ids[place])
    values = [0.0] * len(rows)
    for index, answers in scorer.log_probabilities(rows):
        values[index] = float(answers[0, wanted[index]])
    sums = [sum(values[n : n + len(places)]) for n in range(0, len(values), len(places))]
    evidence = [
        Evidence(encoded.text[w.start : w.end], begin + w.start, begin + w.end, sums[0] - without)
        for w, without in zip(words, sums[1:], strict=True)
    ]
    return tuple(sorted(evidence, key=lambda e: (-abs(e.weight), e.start)))


def _rest(word: Word, place: int) -> Sequence[int]:
    """The token and the later ones of its word."""
    return [p for p in word.places if p >= place]


def _is_word(encoded: WordEncoding, word: Word) -> bool:
    return _LETTER.search(encoded.text[word.start : word.end]) is not None


def _around(text: str, start: int, end: int) -> tuple[int, int]:
    """The stretch of text that is read for a hole, cut at spaces."""
    begin, stop = start, end
    for _ in range(_FAR):
        if begin == 0:
            break
        begin = text.rfind(" ", 0, begin - 1) + 1 if begin > 1 else 0
    for _ in range(_FAR):
        if stop >= len(text):
            break
        following = text.find(" ", stop + 1)
        stop = len(text) if following < 0 else following
    return begin, stop
