"""Training tokens a second and validation loss, beside transformers' Trainer.

    python benchmarks/training.py text.txt.xz --validation held_out.txt.xz

One ModernBERT shape (256 wide, 6 deep), one vocabulary (the bundled one), the
same number of tokens in batches of 64 × 128, the same rows to judge by.

- fillmask: `fillmask.training`, as `fillmask train pretrain` calls it, 30% hidden as in the first stage of its recipe.
- Trainer: what `run_mlm.py` does. Documents are joined and cut into 128
  tokens, `DataCollatorForLanguageModeling` hides 15%, AdamW; logits are made
  at every position. Its rate is 1e-3 with a linear decay, which is better
  after so few tokens than the script's 5e-5. In float32, its default on a
  processor, and with `--bf16`.

Each contender has a process of its own. Tokens a second are those of the
steps after the first two, in which kernels are prepared; the seconds are all
of it, compilation included.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from harness import Needs, possible, report

CONTENDERS = {"fillmask": Needs(), "Trainer, bfloat16": Needs("bfloat16"), "Trainer, float32": Needs()}
ROWS, LENGTH = 64, 128


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path)
    parser.add_argument("--validation", type=Path, required=True)
    parser.add_argument("--tokens", type=int, default=200_000)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "fillmask-training-benchmark")
    parser.add_argument("--contender", choices=list(CONTENDERS), help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    arguments = _arguments()
    if arguments.contender:
        print(json.dumps(_contend(arguments)))
        return
    rows: list[dict[str, Any]] = []
    for contender in possible({name: (needs, name) for name, needs in CONTENDERS.items()}):
        done = subprocess.run(
            [sys.executable, __file__, *sys.argv[1:], "--contender", contender],
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        print(rows[-1], file=sys.stderr)
    for row in rows:
        row["times"] = round(rows[0]["tokens/s"] / row["tokens/s"], 2)
    report("training", f"{arguments.tokens:,} tokens of text", rows)


def _contend(arguments: argparse.Namespace) -> dict[str, Any]:
    import torch

    from fillmask.models.checkpoint import open_checkpoint
    from fillmask.training.corpus import CorpusFile, tokenize
    from fillmask.training.families import make_config, make_model
    from fillmask.training.packing import packed
    from fillmask.training.pretrain import Pretraining, TrainingRows
    from fillmask.training.recipe import Recipe, stages
    from fillmask.training.vocabulary import MaskingVocabulary

    tokenizer = open_checkpoint().tokenizer.backend
    vocabulary = MaskingVocabulary(tokenizer)
    special = vocabulary.special
    corpus = tokenize([CorpusFile(arguments.text)], tokenizer, arguments.cache)
    held_out = tokenize([CorpusFile(arguments.validation)], tokenizer, arguments.cache)
    rows = packed(corpus, special, LENGTH, 0, arguments.cache)
    validation = packed(held_out, special, LENGTH, 0, arguments.cache)[:256]
    torch.manual_seed(0)
    model = make_model(make_config("modernbert", "small", tokenizer.get_vocab_size(), special))
    recipe = Recipe(
        tokens=arguments.tokens,
        batch_tokens=ROWS * LENGTH,
        warmup_steps=10,
        stages=stages(0.3, 0.3, count=1, length=LENGTH),
    )
    start = time.perf_counter()
    ours = arguments.contender == "fillmask"
    run = Pretraining(model, TrainingRows({LENGTH: rows}, validation), vocabulary, recipe, compile=ours)
    if ours:
        marks = []
        while run.step < recipe.steps:
            float(run.train_step())
            marks.append(time.perf_counter())
    else:
        marks = _trainer(model, corpus, special, recipe.steps, bf16="bfloat16" in arguments.contender)
    total = marks[-1] - start
    steps = sorted(b - a for a, b in pairwise(marks[2:]))
    median = steps[len(steps) // 2]
    found = run.validate()
    return {
        "training loop": arguments.contender,
        "tokens/s": round(ROWS * LENGTH / median),
        "seconds in all": round(total, 1),
        "validation loss": round(found["loss"], 3),
    }


def _trainer(model: Any, corpus: Any, special: Any, steps: int, *, bf16: bool) -> list[float]:
    import numpy as np
    import torch
    from transformers import (
        DataCollatorForLanguageModeling,
        PreTrainedTokenizerFast,
        Trainer,
        TrainerCallback,
        TrainingArguments,
    )

    from fillmask.models.checkpoint import open_checkpoint

    model.set_attn_implementation("sdpa")  # transformers' default
    tokenizer = PreTrainedTokenizerFast.from_pretrained(open_checkpoint().folder)
    # run_mlm's group_texts: documents with their special tokens in a row, cut every 128 tokens.
    parts: list[Any] = []
    size = 0
    for index in np.random.default_rng(0).permutation(len(corpus)):
        parts += [[special.bos], corpus.piece(int(index)), [special.eos]]
        size += len(parts[-2]) + 2
        if size > (steps + 1) * ROWS * LENGTH:
            break
    joined = np.concatenate(parts).astype(np.int64)
    texts = torch.from_numpy(joined[: size // LENGTH * LENGTH].reshape(-1, LENGTH))
    examples = [{"input_ids": row, "attention_mask": torch.ones_like(row)} for row in texts]
    marks: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            marks.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        settings = TrainingArguments(
            output_dir=folder, max_steps=steps, per_device_train_batch_size=ROWS, learning_rate=1e-3, warmup_steps=10,
            bf16=bf16, use_cpu=True, report_to=[], save_strategy="no", logging_strategy="no", disable_tqdm=True, seed=0,
        )  # fmt: skip
        Trainer(
            model=model, args=settings, train_dataset=examples, callbacks=[Clock()],
            data_collator=DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15),
        ).train()  # fmt: skip
    model.set_attn_implementation("eager")
    return marks


if __name__ == "__main__":
    main()
