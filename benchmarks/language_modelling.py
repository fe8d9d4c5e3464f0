"""A masked language model beside n-grams of the same training text, on the same masks.

    python benchmarks/language_modelling.py MODEL --text held_out.txt --train-text book.txt letters.txt.xz=0.5

Windows of the held-out text have 15% of their tokens hidden. The model sees
the rest of the window; the n-grams (`ngrams.py`) are counted over the model's
own tokens in the training text, and see at most two unhidden neighbours on
one side, or on both. The two-sided trigrams are the bar to clear: below it a
model knows less than counts of neighbours do. The pseudo-perplexity of the
model alone, over single sentences, ends the table. Losses are in nats a
token: they compare models of one tokenizer only.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from harness import RESULTS, report
from ngrams import NGrams, Probabilities, known_before, two_sided
from rich.console import Console
from rich.progress import track

from fillmask.runtime.masked_lm import MaskedLM
from fillmask.tasks.evaluate import (
    MaskedAccuracy,
    MaskedWindow,
    Tally,
    masked_accuracy,
    masked_windows,
    pseudo_perplexity,
)
from fillmask.training.corpus import CorpusFile, read_documents, split_sentences, tokenize

Predictor = Callable[[MaskedWindow], Probabilities]


def _source(text: str) -> CorpusFile:
    name, _, share = text.partition("=")
    return CorpusFile(Path(name), float(share or 1))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, metavar="MODEL", help="checkpoint folder")
    parser.add_argument("--text", type=Path, required=True, help="text file never trained on")
    parser.add_argument("--train-text", type=_source, nargs="+", required=True, metavar="FILE[=SHARE]")
    parser.add_argument("--rows", type=int, default=1024, help="windows of the held-out text")
    parser.add_argument("--length", type=int, default=128, help="tokens a window")
    parser.add_argument("--rate", type=float, default=0.15, help="share of tokens to hide")
    parser.add_argument("--sentences", type=int, default=400, help="sentences for the pseudo-perplexity")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, help="folder that keeps the tokenised training text for the next time")
    parser.add_argument("--csv", type=Path, default=RESULTS / "language_modelling.csv")
    return parser.parse_args()


def baselines(sources: list[CorpusFile], model: MaskedLM, cache: Path, seed: int) -> dict[str, Predictor]:
    """Predictors, counted over the training text, that give p (masks, vocabulary) at a window's hidden tokens."""
    corpus = tokenize(sources, model.tokenizer.backend, cache, seed=seed)
    left = NGrams(corpus.tokens, corpus.ends, model.vocab_size)
    right = NGrams(corpus.tokens, corpus.ends, model.vocab_size, backwards=True)

    def before(window: MaskedWindow) -> Probabilities:
        known = _known(window)
        return np.stack([left.distribution(known_before(window.ids, known, p)) for p in window.positions])

    def after(window: MaskedWindow) -> Probabilities:
        known, ids, last = _known(window)[::-1], window.ids[::-1], len(window.ids) - 1
        return np.stack([right.distribution(known_before(ids, known, last - p)) for p in window.positions])

    def both(window: MaskedWindow) -> Probabilities:
        pairs = zip(before(window), after(window), strict=True)
        return np.stack([two_sided(l, r, left.unigram) for l, r in pairs])  # noqa: E741

    return {
        "unigram": lambda window: np.tile(left.unigram, (len(window.positions), 1)),
        "trigram, left": before,
        "trigrams, two-sided": both,
    }


def _known(window: MaskedWindow) -> npt.NDArray[np.bool_]:
    """Which tokens a baseline may look at: not hidden, and not special, as its training text has none."""
    known = ~window.special
    known[window.positions] = False
    return known


def _measured(predictor: Predictor, windows: Iterable[MaskedWindow]) -> MaskedAccuracy:
    tally = Tally()
    for window in windows:
        tally.add(np.log(predictor(window)), window.labels)
    return tally.result()


def sample_sentences(path: Path, count: int, seed: int) -> list[str]:
    """Sentences with an end, drawn evenly from a text file."""
    sentences = [s for s in _sentences(path) if s.rstrip("\"')]")[-1:] in (".", "!", "?")]
    return random.Random(seed).sample(sentences, min(count, len(sentences)))


def _sentences(path: Path) -> Iterator[str]:
    for document in read_documents(path):
        for paragraph in document.split("\n"):
            yield from split_sentences(paragraph)


def main() -> None:
    arguments = _arguments()
    model = MaskedLM(arguments.model)
    drawn = {
        "rate": arguments.rate, "length": arguments.length, "max_rows": arguments.rows, "seed": arguments.seed,
    }  # fmt: skip
    sentences = sample_sentences(arguments.text, arguments.sentences, arguments.seed)
    console = Console(stderr=True)
    results: dict[str, MaskedAccuracy] = {}
    start = time.perf_counter()
    results["masked language model"] = masked_accuracy(model, read_documents(arguments.text), **drawn)
    whole = pseudo_perplexity(model, sentences)
    console.print(f"asking the model: {time.perf_counter() - start:.0f} s", style="dim")

    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        predictors = baselines(arguments.train_text, model, arguments.cache or Path(folder), arguments.seed)
        console.print(f"counting n-grams: {time.perf_counter() - start:.0f} s", style="dim")
        windows = list(masked_windows(model.tokenizer, read_documents(arguments.text), **drawn))
        for name, predictor in predictors.items():
            quiet = not console.is_terminal
            results[name] = _measured(predictor, track(windows, name, console=console, transient=True, disable=quiet))

    rows = [
        {
            "predictor": name,
            "tokens": r.masks,
            "loss": round(r.loss, 4),
            "perplexity": round(r.perplexity, 2),
            "top-1": round(r.top1, 4),
            "top-5": round(r.top5, 4),
        }
        for name, r in results.items()
    ]
    rows.append(
        {
            "predictor": "the model, each token in turn",
            "tokens": whole.tokens,
            "loss": round(whole.loss, 4),
            "perplexity": round(whole.perplexity, 2),
            "top-1": "",
            "top-5": "",
        }
    )
    title = (
        f"{arguments.rate:.0%} of the tokens in {len(windows)} windows of {arguments.length} hidden;"
        f" last row: pseudo-perplexity of {len(sentences)} sentences"
    )
    # An absolute name is kept where it says.
    report(str(arguments.csv.resolve().with_suffix("")), title, rows)


if __name__ == "__main__":
    main()
