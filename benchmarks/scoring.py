"""Pseudo-log-likelihood of 200 sentences: fillmask beside minicons and the plain loop over tokens.

    python benchmarks/scoring.py

On the bundled model, whose answers all three must give. Claim: at least five
times faster than either.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from checkpoints import BUNDLED
from harness import Needs, medians, possible, report
from transformers import AutoModelForMaskedLM, AutoTokenizer, logging
from workloads import sentence_lengths, texts

import fillmask

SENTENCES = 200


def main() -> None:
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    ours = fillmask.FillMask()
    sentences = [text.replace(ours.mask_token, "the").strip() for text in texts(sentence_lengths(SENTENCES), ours)]
    tokenizer = AutoTokenizer.from_pretrained(BUNDLED)
    model = AutoModelForMaskedLM.from_pretrained(BUNDLED, dtype=torch.float32).eval()
    answers: dict[str, list[float]] = {}

    def loop(lines: list[str]) -> list[float]:
        """A sentence at a time, all its masked copies as one batch: Salazar et al.'s method as it is usually written."""
        return [_plain(model, tokenizer, text) for text in lines]

    def peer() -> Callable[[list[str]], list[float]]:
        from minicons.scorer import MaskedLMScorer

        minicons = MaskedLMScorer(str(BUNDLED), "cpu")
        minicons.tokenizer.batch_encode_plus = minicons.tokenizer.__call__  # dropped by transformers 5

        def score(lines: list[str]) -> list[float]:
            scores: list[float] = []
            for start in range(0, len(lines), 10):
                scores += minicons.sequence_score(lines[start : start + 10], reduction=lambda x: x.sum(0).item())
            return scores

        return score

    def mine(lines: list[str]) -> list[float]:
        return [score.score for score in ours.score(lines, method="original")]

    every = {
        "plain loop, transformers": (Needs(), lambda: loop),
        "minicons": (Needs(packages=("minicons",)), peer),
        "fillmask": (Needs(), lambda: mine),
    }
    scorers = {name: make() for name, make in possible(every).items()}
    for scorer in scorers.values():
        scorer(sentences[:10])  # warm

    def run(name: str) -> None:
        answers[name] = scorers[name](sentences)

    seconds = medians({name: lambda name=name: run(name) for name in scorers}, 1, warm_ups=0)
    for name, found in answers.items():
        worst = max(abs(a - b) for a, b in zip(found, answers["fillmask"], strict=True))
        if not worst < 1e-2:
            raise SystemExit(f"{name} and fillmask differ by {worst} nats; expected the same scores")
    base = seconds.get("minicons")
    rows = [
        {
            "scorer": name,
            "seconds": round(taken, 2),
            "sentences/s": round(SENTENCES / taken, 1),
            "× minicons": round(base / taken, 2) if base else "",
        }
        for name, taken in seconds.items()
    ]
    tokens = sum(len(tokenizer(text).input_ids) - 2 for text in sentences)
    report("scoring", f"Pseudo-log-likelihood of {SENTENCES} sentences ({tokens:,} hidden tokens), bundled model", rows)


@torch.no_grad()
def _plain(model: Any, tokenizer: Any, text: str) -> float:
    ids = torch.tensor(tokenizer(text).input_ids)
    places = torch.arange(1, len(ids) - 1)
    rows = ids.repeat(len(places), 1)
    rows[torch.arange(len(places)), places] = tokenizer.mask_token_id
    logits = model(input_ids=rows, attention_mask=torch.ones_like(rows)).logits
    found = logits[torch.arange(len(places)), places].log_softmax(-1)
    return float(found[torch.arange(len(places)), ids[places]].sum())


if __name__ == "__main__":
    main()
