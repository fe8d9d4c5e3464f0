"""What a list of 10,000 targets costs: the same phrases with and without it.

    python benchmarks/targets.py

On a checkpoint of DistilRoBERTa's sizes. Claim: at most 10% more time than
without targets, once the list is known; transformers is shown beside it for
one phrase.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from checkpoints import distilroberta_shaped
from harness import medians, report
from transformers import logging, pipeline
from workloads import PHRASE, texts

import fillmask

COUNT = 10_000


def main() -> None:
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as folder:
        distilroberta_shaped(Path(folder))
        ours = fillmask.pipeline("fill-mask", model=folder)
        theirs = pipeline("fill-mask", model=folder)
        words = sorted(ours.tokenizer.vocab)[5000 : 5000 + COUNT]
        many = texts([128] * 8, ours)
        calls = {
            ("fillmask, one phrase", False): lambda: ours(PHRASE),
            ("fillmask, one phrase", True): lambda: ours(PHRASE, targets=words),
            ("fillmask, 8×128", False): lambda: ours(many),
            ("fillmask, 8×128", True): lambda: ours(many, targets=words),
            ("transformers, one phrase", False): lambda: theirs(PHRASE),
            ("transformers, one phrase", True): lambda: theirs(PHRASE, targets=words),
        }
        mine, reference = ours(PHRASE, targets=words), theirs(PHRASE, targets=words)
        if [c["token"] for c in mine] != [c["token"] for c in reference]:
            raise SystemExit(f"the answers differ: {mine} and {reference}")
        named = {f"{name}|{with_targets}": run for (name, with_targets), run in calls.items()}
        seconds = medians(named, 4, calls=4, settle=2)
    rows = []
    for name in dict.fromkeys(name for name, _ in calls):
        without, with_targets = seconds[f"{name}|False"], seconds[f"{name}|True"]
        rows.append(
            {
                "call": name,
                "ms without targets": round(1000 * without, 2),
                f"ms with {COUNT:,}": round(1000 * with_targets, 2),
                "cost": f"{with_targets / without - 1:+.0%}",
            }
        )
    report("targets", f"{COUNT:,} targets, DistilRoBERTa's shape", rows)


if __name__ == "__main__":
    main()
