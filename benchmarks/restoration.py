"""Restoration of hidden text, by Ithaca's protocol: our strategies, the plain fill-mask way, and a character n-gram.

    python benchmarks/restoration.py [--quick] [--holes N] [--model FOLDER] [--part test] [--corpus ../shared/corpus]

Known text of the corpus's test part is damaged on purpose, every source in
turn (`fillmask.restore.calibration.samples`): stretches of 1 to 10 characters, 1 to 5
words, words of unknown number, words that lost 30% and 50% of their letters,
and passages that lost 5, 10 and 20% of their characters. All systems read the
same holes, except that the slow ones read fewer of them (`SHARE`).

Claims: joint reading finds at least 25% more of the 2 to 5 word holes than
independent filling; known letters lift half-lost words to 80%; the expected
calibration error is 0.03 at most; every hole gets an admissible answer.
Written: results/restoration.csv, restoration_sources.csv,
restoration_reliability.csv and the plots of the same names.
"""

from __future__ import annotations

import argparse
import csv
import lzma
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from character_ngrams import CharacterNGrams
from harness import RESULTS, report
from rich.progress import Progress

from fillmask.restore.calibration.evaluation import (
    READINGS,
    Answer,
    RestorationReport,
    System,
    answered,
    measure,
    reliability,
    restoring,
)
from fillmask.restore.calibration.samples import KINDS, Sample, draw
from fillmask.restore.decoding.cached_scorer import CachedScorer
from fillmask.restore.decoding.token_automaton import largest
from fillmask.restore.decoding.tokenized_context import Filling, TokenizedContext
from fillmask.restore.decoding.vocabulary import vocabulary_of
from fillmask.restore.restoration import Reading
from fillmask.runtime.masked_lm import MaskedLM

CORPUS = Path(__file__).parents[2] / "shared" / "corpus"
# Words of each source in the held-out parts, which are written one source after the other (corpus README).
SOURCES = [
    "openstax",
    "us_government",
    "dialogues",
    "misc",
    "standard_ebooks",
    "classic_books",
    "eltec",
    "frus",
    "wikipedia_a",
    "wikipedia_b",
    "wikipedia_recent",
]
WORDS = {
    "validation": (61270, 23420, 20593, 19036, 111977, 182520, 71083, 133364, 152901, 152424, 46515),
    "test": (58764, 27093, 20528, 19657, 132368, 224081, 64673, 132230, 151040, 155400, 46545),
}
LONG = ("words-2", "words-3", "words-4", "words-5")  # where few are found: three times as many holes
SHARE = {"left-to-right": 0.5, "character n-gram": 0.5}
_PLOTTED = 8  # holes of a kind
_COLOURS = ("#8a3324", "#2f6690", "#81a4cd", "#c98b2b", "#6b705c", "#9d8ba0")
_NGRAM_CHARACTERS = 12_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the holes, and nothing written")
    parser.add_argument("--holes", type=int, default=36, help="of each kind (three times as many of 2 to 5 words)")
    parser.add_argument("--model", help="a checkpoint folder; the bundled model by default")
    parser.add_argument("--part", choices=list(WORDS), default="test")
    parser.add_argument("--corpus", type=Path, default=CORPUS)
    parser.add_argument("--systems", default="", help="names of systems, with commas; all by default")
    options = parser.parse_args()
    holes = max(4, options.holes // 10) if options.quick else options.holes
    documents = by_source(options.corpus, options.part)
    samples = [
        *draw(documents, kinds=[kind for kind in KINDS if kind not in LONG], holes=holes, seed=0),
        *draw(documents, kinds=LONG, holes=3 * holes, seed=0),
    ]
    model = MaskedLM(options.model)
    makers: dict[str, Callable[[], System]] = {
        **{name: partial(restoring, model, name) for name in ("joint", "independent", "left-to-right")},
        "plain fill-mask": lambda: plain_fill_mask(model),
        "character n-gram": lambda: CharacterNGrams(training_text(options.corpus)).system,
    }
    systems = {name: makers[name]() for name in (options.systems.split(",") if options.systems else makers)}
    found = run(systems, samples)
    rows = [row for name in systems for row in by_kind(found, name)]
    sources = [
        {"system": name, "source": source, **rounded(found, name, source=source)}
        for name in systems
        for source in SOURCES
        if any(a.source == source for a in found.answers[name])
    ]
    if options.quick:
        from rich.console import Console

        Console(width=120).print(found.table())
    else:
        report("restoration_sources", "Restoration by source", sources, by="system")
        report("restoration", "Restoration of hidden text", rows, by="system")
        plot(rows, list(systems))
        reliable(found, [n for n in ("joint", "independent") if n in systems])
    claims(found)


def by_source(corpus: Path, part: str) -> dict[str, list[str]]:
    """The documents of a held-out part by source, told apart by the words that each source has in it."""
    with lzma.open(corpus / f"{part}.txt.xz", "rt", encoding="utf-8") as lines:
        documents = iter([d.strip() for d in lines.read().split("\n\n") if d.strip()])
    found: dict[str, list[str]] = {}
    for source, words in zip(SOURCES, WORDS[part], strict=True):
        found[source] = []
        count = 0
        while count < words:
            document = next(documents)
            count += len(document.split())
            found[source].append(document)
        if count != words:
            raise SystemExit(f"{source} has {count} words in {part}; expected {words}: the corpus has changed")
    return found


def training_text(corpus: Path) -> Iterator[str]:
    """The beginning of each training file, for the n-gram."""
    share = _NGRAM_CHARACTERS // len(SOURCES)
    for source in SOURCES:
        with lzma.open(corpus / f"{source}.txt.xz", "rt", encoding="utf-8") as lines:
            yield lines.read(share)


def plain_fill_mask(model: MaskedLM) -> System:
    """As a fill-mask pipeline is used: the right number of masks is given, and each is filled by itself."""

    def read(sample: Sample) -> list[list[Reading]]:
        scorer = CachedScorer(model)
        context = TokenizedContext(model.tokenizer, vocabulary_of(model.tokenizer), sample.damaged, 64)
        layouts = [layouts[0] for layouts in context.layouts]
        counts = [
            len(model.tokenizer.encode(layout.region.lead + truth, add_special_tokens=False))
            for layout, truth in zip(layouts, sample.truths, strict=True)
        ]
        masks = {n: Filling(layouts[n], (scorer.mask,) * count) for n, count in enumerate(counts)}
        rows = [
            context.around(n, layouts[n], masks, count).row((scorer.mask,) * count, range(count))
            for n, count in enumerate(counts)
        ]
        found: list[list[Reading]] = [[] for _ in rows]
        for number, answers in scorer.log_probabilities(rows):
            ways: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
            for row in answers:
                best = largest(row, READINGS)
                grown = [(score + float(row[t]), (*tokens, int(t))) for score, tokens in ways for t in best]
                ways = sorted(grown, key=lambda way: (-way[0], way[1]))[:READINGS]
            texts: dict[str, float] = {}
            for score, tokens in ways:
                text = model.tokenizer.decode(list(tokens)).strip()
                texts[text] = texts.get(text, 0.0) + math.exp(score)
            found[number] = [Reading(text, p) for text, p in texts.items()]
        return found

    return read


def run(systems: dict[str, System], samples: Sequence[Sample]) -> RestorationReport:
    """Every system's answers; a slow system reads the first of each kind."""
    answers: dict[str, tuple[Answer, ...]] = {}
    with Progress() as bar:
        for name, system in systems.items():
            chosen = [s for kind in KINDS for s in _share([s for s in samples if s.kind == kind], SHARE.get(name, 1.0))]
            for sample in chosen[:3]:
                system(sample)  # warm
            answers[name] = tuple(a for s in bar.track(chosen, description=name) for a in answered(system, s))
    return RestorationReport(answers)


def _share(samples: list[Sample], share: float) -> list[Sample]:
    return samples[: max(1, round(share * len(samples)))]


def rounded(found: RestorationReport, name: str, **which: Any) -> dict[str, Any]:
    """The results of a system, in numbers that a table can show."""
    values = asdict(found.measured(name, **which))
    return {key: round(value, 4) if isinstance(value, float) else value for key, value in values.items()}


def by_kind(found: RestorationReport, name: str) -> Iterator[dict[str, Any]]:
    """A row for each kind of damage, for the words of two to five together, and for all."""
    groups = {kind: [kind] for kind in KINDS} | {"words-2 to 5": list(LONG), "all": list(KINDS)}
    for group, kinds in groups.items():
        yield {"system": name, "kind": group, **rounded(found, name, kinds=kinds)}


def plot(rows: Sequence[dict[str, Any]], systems: Sequence[str]) -> None:
    """Right readings by kind of damage; systems that read too few holes for a line are in the table alone."""
    counts = {system: [row["holes"] for row in rows if row["system"] == system] for system in systems}
    shown = [system for system in systems if min(counts[system]) >= _PLOTTED]
    panels = {
        "characters lost": {str(n): f"characters-{n}" for n in range(1, 11)},
        "words lost": {**{str(n): f"words-{n}" for n in range(1, 6)}, "?": "unknown"},
        "letters of a word lost": {"30%": "partial-30", "50%": "partial-50"},
        "of a document lost": {"5%": "document-5", "10%": "document-10", "20%": "document-20"},
    }
    figure, axes = plt.subplots(
        2, len(panels), figsize=(12, 6.4), sharey=True, sharex="col", layout="constrained",
        gridspec_kw={"width_ratios": [max(3, len(kinds)) for kinds in panels.values()]},
    )  # fmt: skip
    for line, (measure_, name) in enumerate((("top1", "first reading right (%)"), ("top20", "among the first 20 (%)"))):
        for axis, (title, kinds) in zip(axes[line], panels.items(), strict=True):
            for number, system in enumerate(shown):
                values = {row["kind"]: 100 * row[measure_] for row in rows if row["system"] == system}
                axis.plot(
                    range(len(kinds)), [values[kind] for kind in kinds.values()], color=_COLOURS[number], label=system,
                    marker="o", markersize=4, linewidth=2.4 if number == 0 else 1.2, zorder=3 if number == 0 else 2,
                )  # fmt: skip
            axis.set_xticks(range(len(kinds)), list(kinds))
            axis.margins(x=0.25 if len(kinds) < 4 else 0.06)
            axis.set_ylim(-3, 103)
            axis.grid(alpha=0.25)
            axis.spines[["top", "right"]].set_visible(False)
            if line == 0:
                axis.set_title(title, fontsize=11)
        axes[line][0].set_ylabel(name)
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=len(shown), frameon=False)
    _save(figure, "restoration.png")


def reliable(found: RestorationReport, systems: Sequence[str]) -> None:
    """How often readings of a probability are right."""
    figure, axis = plt.subplots(figsize=(5.5, 5.5), layout="constrained")
    axis.plot([0, 1], [0, 1], color="grey", linewidth=1, label="perfect")
    rows = []
    for system in systems:
        answers = found.answers[system]
        bins = reliability([a.probability for a in answers], [a.rank == 0 for a in answers])
        rows += [
            {"system": system, "probability": round(p, 4), "right": round(hit, 4), "holes": n} for p, hit, n in bins
        ]
        ece = measure(answers).ece
        axis.plot([p for p, _, _ in bins], [hit for _, hit, _ in bins], marker="o", label=f"{system}, ECE {ece:.3f}")
    axis.set_xlabel("probability of the first reading")
    axis.set_ylabel("share that is right")
    axis.set_xlim(0, 1)
    axis.set_ylim(0, 1)
    axis.grid(alpha=0.3)
    axis.legend(loc="upper left")
    _save(figure, "restoration_reliability.png")
    part = RESULTS / "restoration_reliability.csv.part"
    with open(part, "w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    os.replace(part, RESULTS / "restoration_reliability.csv")


def _save(figure: Any, name: str) -> None:
    RESULTS.mkdir(exist_ok=True)
    part = RESULTS / f".{name}.part"
    figure.savefig(part, format="png", dpi=110)
    os.replace(part, RESULTS / name)


def claims(found: RestorationReport) -> None:
    """What must be shown, said in one line each."""
    joint = found.measured("joint") if "joint" in found.answers else None
    if joint is None:
        return
    print(f"admissible answers: {100 * joint.admissible:.2f}% of {joint.holes} holes (expected 100%)")
    print(f"expected calibration error, all holes: {joint.ece:.4f} (expected 0.03 at most)")
    half = found.measured("joint", kinds=["partial-50"])
    print(f"half-lost words, first reading right: {100 * half.top1:.1f}% of {half.holes} (expected 80%)")
    if "independent" in found.answers:
        ours = [a for a in found.answers["joint"] if a.kind in LONG]
        others = [a for a in found.answers["independent"] if a.kind in LONG]
        first, second = measure(ours).top1, measure(others).top1
        # The same holes: how many only one of the two found.
        only = [(a.rank == 0, b.rank == 0) for a, b in zip(ours, others, strict=True)]
        won, lost = sum(a and not b for a, b in only), sum(b and not a for a, b in only)
        gain = f"{100 * (first / second - 1):+.0f}%" if second else "no ratio: independent found none"
        print(
            f"2 to 5 words, first reading right: joint {100 * first:.2f}%, independent {100 * second:.2f}%"
            f" of {len(ours)} holes: {gain} (expected +25%); only joint {won}, only independent {lost}"
        )
        print(
            f"2 to 5 words, among the first {READINGS}: joint {100 * measure(ours).top20:.2f}%,"
            f" independent {100 * measure(others).top20:.2f}%"
        )


if __name__ == "__main__":
    main()
