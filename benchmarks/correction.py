"""Correction of what an OCR engine misread, beside a spell checker and plain fill-mask on the same pages.

    python scripts/ocr_pairs.py ../shared/corpus/test.txt.xz pairs.jsonl --pages 60 --seed 7
    python benchmarks/correction.py pairs.jsonl [--clean ../shared/corpus/test.txt.xz] [--model FOLDER]

The pages are clean text that was printed in old fonts, damaged, and read back
by tesseract, so the errors are real ones (`scripts/ocr_pairs.py`). Pages of
which the engine read less than seven tenths are left out: no text is left
there. Quotation marks and dashes are compared in their plain form.

Systems: the text as it was read; `fillmask correct`; the same without the
model (channel and word list alone); symspellpy, which replaces every word
that is not in its dictionary by the nearest one; and plain fill-mask, which
masks every word that is not in fillmask's list and takes the model's first
answer.

Claims: at most one wrong change for eight right ones; of clean text, fewer
than one word in 2,000 is changed.
"""

from __future__ import annotations

import argparse
import lzma
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness import report

from fillmask.choices import MIN_CORRECTION_PROBABILITY
from fillmask.restore import word_list
from fillmask.restore.correction import channel
from fillmask.restore.correction.alignment import error_rates
from fillmask.restore.correction.candidates import Candidates
from fillmask.restore.correction.correction import Correction
from fillmask.restore.correction.corrector import Corrector
from fillmask.restore.correction.fitting import measure
from fillmask.restore.correction.pairs import read_pairs
from fillmask.restore.correction.units import units_of
from fillmask.restore.restoration import Cost
from fillmask.runtime.masked_lm import MaskedLM
from fillmask.runtime.options import RuntimeOptions
from fillmask.tokenization.masked_input import MaskedInput

System = Callable[[str], str]
_UNREADABLE = 0.3  # character error rate
_PLAIN = str.maketrans("“”‘’—–", "\"\"''--")
_CLEAN_PASSAGE = 300  # words


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--clean", type=Path, help="clean text that is to be left alone, compressed with xz")
    parser.add_argument("--clean-words", type=int, default=12_000)
    parser.add_argument("--model", help="a checkpoint folder; the bundled model by default")
    parser.add_argument("--min-probability", type=float, default=MIN_CORRECTION_PROBABILITY)
    parser.add_argument("--systems", default="", help="names of systems, with commas; all by default")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--quick", action="store_true", help="a few pages, and nothing written")
    options = parser.parse_args()
    pairs = readable(list(read_pairs(options.pairs)))
    clean = clean_passages(options.clean, options.clean_words) if options.clean else []
    if options.quick:
        pairs, clean = pairs[:5], clean[:5]
    model = MaskedLM(options.model, RuntimeOptions(threads=options.threads))
    makers: dict[str, Callable[[], System]] = {
        "as it is": lambda: str,
        "fillmask correct": lambda: corrected(Corrector(model), options.min_probability),
        "channel and word list": channel_alone,
        "symspellpy": symspell,
        "plain fill-mask": lambda: fill_mask(model),
    }
    names = options.systems.split(",") if options.systems else list(makers)
    rows = [row(name, makers[name](), pairs, clean) for name in names]
    if options.quick:
        for values in rows:
            print(values)
    else:
        report("correction", "Correction of misread text", rows, by="system")
    claims(rows)


def readable(pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The pairs in plain marks, without pages that the engine could not read."""
    plain = [(observed.translate(_PLAIN).strip(), " ".join(text.translate(_PLAIN).split())) for observed, text in pairs]
    return [
        (observed, text)
        for observed, text in plain
        if error_rates([(text, " ".join(observed.split()))])[0] < _UNREADABLE
    ]


def clean_passages(path: Path, words: int) -> list[str]:
    """Passages of clean text."""
    with lzma.open(path, "rt", encoding="utf-8") as source:
        documents = [d.split() for d in source.read().split("\n\n") if len(d.split()) > _CLEAN_PASSAGE]
    rng = random.Random(0)
    passages = []
    for _ in range(words // _CLEAN_PASSAGE):
        document = rng.choice(documents)
        first = rng.randrange(len(document) - _CLEAN_PASSAGE + 1)
        passages.append(" ".join(document[first : first + _CLEAN_PASSAGE]))
    return passages


def row(name: str, system: System, pairs: Sequence[tuple[str, str]], clean: Sequence[str]) -> dict[str, Any]:
    """The results of a system."""
    system(pairs[0][0])  # warm
    start = time.perf_counter()
    results = [(system(observed), observed, text) for observed, text in pairs]
    seconds = time.perf_counter() - start
    cer, wer = error_rates([(text, " ".join(after.split())) for after, _, text in results])
    right, wrong = changes(results)
    words = sum(len(observed.split()) for observed, _ in pairs)
    changed = sum(
        before != after
        for passage in clean
        for before, after in zip(passage.split(), _same_length(system(passage), passage), strict=True)
    )
    clean_words = sum(len(passage.split()) for passage in clean)
    return {
        "system": name,
        "pages": len(pairs),
        "words": words,
        "cer": round(100 * cer, 2),
        "wer": round(100 * wer, 2),
        "right": right,
        "wrong": wrong,
        "clean_words": clean_words,
        "clean_changed": changed,
        "words_per_second": round(words / seconds) if name != "as it is" else "",
    }


def _same_length(after: str, before: str) -> list[str]:
    """The words of a changed passage; where words were split or joined, as many as before, all of them changed."""
    words, original = after.split(), before.split()
    if len(words) == len(original):
        return words
    first = next((n for n, (a, b) in enumerate(zip(words, original, strict=False)) if a != b), len(original))
    return [*original[:first], "\0", *original[first + 1 :]]


def changes(results: Sequence[tuple[str, str, str]]) -> tuple[int, int]:
    """Right and wrong changes: words that a system changed, by whether they became the text."""
    right = wrong = 0
    for after, observed, text in results:
        correction = _as_correction(observed, after)
        quality = measure([(correction, text)])
        right, wrong = right + quality.right, wrong + quality.wrong
    return right, wrong


def _as_correction(observed: str, after: str) -> Correction:
    """The difference of two texts as changes, word by word."""
    import difflib

    from fillmask.restore.correction.correction import CorrectedWord

    before, then = units(observed), units(after)
    words: list[CorrectedWord] = []
    matcher = difflib.SequenceMatcher(None, [t for t, _, _ in before], [t for t, _, _ in then], autojunk=False)
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal" or a == b:
            continue
        pairs = (
            [(n, n + 1, m, m + 1) for n, m in zip(range(a, b), range(c, d), strict=True)]
            if b - a == d - c
            else [(a, b, c, d)]
        )
        for first, last, begin, end in pairs:
            new = after[then[begin][1] : then[end - 1][2]] if end > begin else ""
            start, stop = before[first][1], before[last - 1][2]
            words.append(
                CorrectedWord(len(words), 0, 0, start, stop, observed[start:stop], new, True, 1.0, 1, 1, (), 0.0)
            )
    return Correction(after, observed, tuple(words), 0.0, Cost(0, 0, 0.0))


def units(text: str) -> list[tuple[str, int, int]]:
    return [(unit.text, unit.start, unit.end) for unit in units_of(text)]


def corrected(corrector: Corrector, min_probability: float) -> System:
    return lambda text: corrector.correct(text, min_probability=min_probability).text


def channel_alone() -> System:
    """Every word that is not listed becomes its likeliest candidate by channel and frequency."""
    words = word_list.bundled()
    assert words is not None
    candidates = Candidates(words, channel.general())

    def best(word: str) -> str:
        if candidates.is_listed(word) or not word.isalpha():
            return word
        return next(iter(candidates.of(word)), word)

    return lambda text: replaced(text, best)


def symspell() -> System:
    """The nearest word of symspellpy's own dictionary of 82,765 English words, in the case of the word."""
    from importlib.resources import files

    from symspellpy import SymSpell, Verbosity

    checker = SymSpell(max_dictionary_edit_distance=2, prefix_length=7)
    checker.load_dictionary(str(files("symspellpy") / "frequency_dictionary_en_82_765.txt"), 0, 1)

    def best(word: str) -> str:
        if not word.isalpha() or len(word) < 2:
            return word
        found = checker.lookup(word, Verbosity.TOP, max_edit_distance=2, transfer_casing=True)
        return str(found[0].term) if found else word

    return lambda text: replaced(text, best)


def fill_mask(model: MaskedLM) -> System:
    """Every word that is not listed is masked, and becomes the model's first answer."""
    words = word_list.bundled()
    assert words is not None
    candidates = Candidates(words, channel.general())
    tokenizer = model.tokenizer
    mask = tokenizer.mask_token_id
    assert mask is not None
    window = 60  # words

    def system(text: str) -> str:
        places = [u for u in units_of(text) if u.text.isalpha() and not candidates.is_listed(u.text)]
        items = []
        for unit in places:
            left, right = text[: unit.start].split()[-window:], text[unit.end :].split()[:window]
            shown = tokenizer.encode(f"{' '.join(left)}{tokenizer.mask_token}{' '.join(right)}")
            items.append(MaskedInput(shown, [0] * len(shown), [shown.index(mask)]))
        answers = {index: int(row[0].argmax()) for index, row in model.log_probabilities(items)}
        pieces, at = [], 0
        for number, unit in enumerate(places):
            pieces += [text[at : unit.start], tokenizer.decode([answers[number]]).strip()]
            at = unit.end
        return "".join([*pieces, text[at:]])

    return system


def replaced(text: str, best: Callable[[str], str]) -> str:
    pieces, at = [], 0
    for unit in units_of(text):
        pieces += [text[at : unit.start], best(unit.text) if not unit.is_mark else unit.text]
        at = unit.end
    return "".join([*pieces, text[at:]])


def claims(rows: Sequence[dict[str, Any]]) -> None:
    """What must be shown, in one line each."""
    for values in rows:
        if values["system"] == "fillmask correct":
            print(f"right changes for a wrong one: {values['right'] / max(1, values['wrong']):.1f} (expected 8)")
            if values["clean_words"]:
                share = 2000 * values["clean_changed"] / values["clean_words"]
                print(f"words changed in 2,000 of clean text: {share:.2f} (expected less than 1)")


if __name__ == "__main__":
    main()
