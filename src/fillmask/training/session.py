"""Steps that all trainings share: text to rows, the loop with its reports, and the finished folder.

`folder` becomes a standard checkpoint; what only the training needs (state,
curves, arrays) is in `folder/training`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from fillmask.data.documents import CorpusFile
from fillmask.errors import TrainingError
from fillmask.training.corpus import TokenizedCorpus, tokenize
from fillmask.training.export import export
from fillmask.training.held_out import HeldOutSplit, split
from fillmask.training.objectives import MaskedTokens
from fillmask.training.packing import packed
from fillmask.training.pairs import Pairs, make_pairs
from fillmask.training.pretrain import Pretraining, TrainingProgress, TrainingRows
from fillmask.training.probes import MaskProbe, held_out_probes
from fillmask.training.processes import Processes
from fillmask.training.recipe import Recipe
from fillmask.training.reporting import PICTURE, BadRows, Curves, Reporter, Silent, card, hardware, write
from fillmask.training.state import WORK
from fillmask.training.tokenizer import special_ids
from fillmask.training.vocabulary import MaskingVocabulary

_VALIDATION_ROWS = 1024
_VALIDATION_LENGTH = 128


@dataclass(frozen=True)
class TrainingText:
    """The text of a training and how it is divided.

    Attributes:
        sources: files to train on.
        validation: files to judge by; without them documents of the sources are held out.
        held_out: share of the documents that is held out then.
        phrase_share: share of the documents that is cut into single phrases.
    """

    sources: Sequence[CorpusFile]
    validation: Sequence[CorpusFile] = ()
    held_out: float = 0.01
    phrase_share: float = 0.35


@dataclass(frozen=True)
class HardwareOptions:
    """Device, precision, and compilation; see `Pretraining` for the values."""

    device: str = "cpu"
    compile: bool = True
    attention: str | None = None
    micro_tokens: int | None = None
    bfloat16: bool = True
    shards: bool = False


@dataclass(frozen=True)
class RunOptions:
    """Options of a run that don't change its curve beyond rounding.

    Attributes:
        cache: where tokenised text is kept; in the training's own folder by default.
        save_seconds: seconds between saved states.
        on_progress: called after each logging interval.
    """

    machine: HardwareOptions = field(default_factory=HardwareOptions)
    processes: Processes = field(default_factory=Processes)
    reporter: Reporter = field(default_factory=Silent)
    cache: Path | None = None
    save_seconds: float = 300.0
    on_progress: Callable[[TrainingProgress], None] | None = None


@dataclass
class TrainingSession:
    """A training that writes to one folder.

    Attributes:
        bad: rows that can't be used.
        corpus: tokenized text to train on, after `read`.
        division: which pieces are held out.
    """

    folder: Path
    tokenizer: Tokenizer
    running: RunOptions = field(default_factory=RunOptions)

    def __post_init__(self) -> None:
        self.reporter, self.processes = self.running.reporter, self.running.processes
        self.work = self.folder / WORK
        self.cache = self.running.cache or self.work / "cache"
        self.bad = BadRows(self.reporter)
        self.vocabulary = MaskingVocabulary(self.tokenizer)
        self.corpus: TokenizedCorpus
        self.division: HeldOutSplit
        if self.processes.first:
            make_folder(self.work)

    def read(self, text: TrainingText, *, seed: int, sentences: bool = False) -> None:
        """Tokenizes the text in the first process; the other processes read the result.

        Raises:
            CorpusError: a file cannot be read, or there is no text.
        """
        read, started = 0, time.perf_counter()
        expected = sum(source.expected_characters for source in (*text.sources, *text.validation))

        def advance(characters: int) -> None:
            nonlocal read
            read += characters
            speed = read / 1e6 / (time.perf_counter() - started)
            line = f"{read / 1e6:,.1f}M characters, {speed:,.1f}M a second"
            self.reporter.progress("tokenising", min(read, expected), expected, line)

        def tokenized(sources: Sequence[CorpusFile], share: float) -> TokenizedCorpus:
            return tokenize(
                sources, self.tokenizer, self.cache, seed=seed, phrase_share=share, sentences=sentences,
                on_progress=advance, on_bad=self.bad if self.processes.first else lambda _: None,
            )  # fmt: skip

        def both() -> None:
            self.corpus = tokenized(text.sources, 0.0 if sentences else text.phrase_share)
            self._judged = tokenized(text.validation, 0.0) if text.validation else self.corpus

        in_turn(self.processes, both)
        self.reporter.finished("tokenising")
        self.division = split(self.corpus, 0.0 if text.validation else text.held_out)
        self._made_of = {
            "text": _contents(text.sources, self.corpus),
            "validation": _contents(text.validation, self._judged) if text.validation else None,
            "held_out": None if text.validation else text.held_out,
        }
        self._held = np.arange(len(self._judged), dtype=np.int64) if text.validation else self.division.held_out
        if self.processes.first:
            self.bad.finish(self.work)
            held = len(np.unique(self._judged.owners[self._held]))
            self.reporter.say(
                f"{len(self.corpus.tokens):,} tokens in {len(self.corpus.digests):,} documents"
                + (
                    f", {held:,} {'to judge by' if text.validation else 'held out'}"
                    if len(self._held)
                    else ", none held out"
                )
            )

    def rows(self, recipe: Recipe) -> TrainingRows:
        """Returns rows of every length that the recipe needs."""
        data: list[TrainingRows] = []
        in_turn(self.processes, lambda: data.append(self._rows(recipe)))
        return data[0]

    def _rows(self, recipe: Recipe) -> TrainingRows:
        special, seed = special_ids(self.tokenizer), recipe.seed
        length = min(_VALIDATION_LENGTH, *recipe.lengths)
        validation: Any = np.zeros((0, length), self.corpus.tokens.dtype)
        if len(self._held):
            validation = packed(self._judged, special, length, 0, self.cache, chosen=self._held)[:_VALIDATION_ROWS]
        if recipe.objective != "mlm":
            pairs: dict[int, Pairs] = {
                n: make_pairs(self.corpus, special, n, self.division.training, recipe.objective, seed)
                for n in recipe.lengths
            }
            return TrainingRows(
                {n: p.rows for n, p in pairs.items()}, validation, {n: p.labels for n, p in pairs.items()}
            )
        rows = {
            n: packed(self.corpus, special, n, seed, self.cache, chosen=self.division.training) for n in recipe.lengths
        }
        return TrainingRows(rows, validation)

    def pretraining(
        self,
        model: Any,
        data: TrainingRows,
        recipe: Recipe,
        made_of: Mapping[str, Any],
        objective: MaskedTokens | None = None,
    ) -> Pretraining:
        """Creates a run of the loop with this session's device and processes.

        Args:
            made_of: what decides the model before the first step; the session adds the text.
        """
        machine = self.running.machine
        return Pretraining(
            model, data, self.vocabulary, recipe, objective=objective, device=machine.device, compile=machine.compile,
            attention=machine.attention, micro_tokens=machine.micro_tokens, bfloat16=machine.bfloat16,
            processes=self.processes, made_of={**self._made_of, **made_of},
        )  # fmt: skip

    def train(
        self, run: Pretraining, *, samples: Sequence[str] = (), log_every: int | None = None,
        validate_every: int | None = None,
    ) -> TrainingProgress | None:  # fmt: skip
        """Trains to the recipe's end, exports the checkpoint at every validation, and returns the last report.

        Returns None if the recipe's end had been reached before.

        Args:
            log_every: steps between points of the curve; by default 50, in a short run a fortieth of it.
            validate_every: steps between judgements; by default 500, in a short run a tenth of it.
        """
        log_every = log_every or max(1, min(50, run.recipe.steps // 40))
        validate_every = validate_every or max(1, min(500, run.recipe.steps // 10))
        probes = [MaskProbe.of_text(text, self.tokenizer) for text in samples]
        probes = probes or held_out_probes(run.data.validation, self.tokenizer, self.vocabulary)
        last: TrainingProgress | None = None
        apart = type(run.objective) is not MaskedTokens
        curves = Curves(self.work, self.folder.resolve().name, apart=apart) if self.processes.first else None
        if self.processes.first:
            write(self.work / "recipe.json", json.dumps(asdict(run.recipe), indent=2) + "\n")
        for progress in run.run(
            self.work, log_every=log_every, validate_every=validate_every, save_seconds=self.running.save_seconds
        ):
            last = progress
            if not self.processes.first or curves is None:
                continue
            curves.add(_values(progress), progress.tokens)
            line = f"loss {progress.loss:.3f} · {progress.tokens_per_second:,.0f} tokens/s"
            self.reporter.progress("training", progress.step, progress.steps, line)
            if self.running.on_progress:
                self.running.on_progress(progress)
            if progress.step % validate_every == 0 or progress.step == progress.steps:
                self.reporter.say(f"step {progress.step:,} · {progress.tokens:,} tokens · {line}{_judged(progress)}")
                for probe in probes:
                    self.reporter.say(f"    {probe.ask(run.model, self.tokenizer)}")
                curves.plot()
                export(run.model, self.folder, shards=self.running.machine.shards)
        if curves is not None:
            curves.close()
        if last is None and self.processes.first:
            self.reporter.say(
                f"trained on {run.step * run.recipe.batch_tokens:,} tokens in {run.step:,} steps already;"
                f" {run.recipe.steps:,} steps were asked for, so that nothing is to be done"
            )
            run.finish()
            export(run.model, self.folder, shards=self.running.machine.shards)
        self.processes.wait()
        return last

    def write_card(
        self,
        summary: str,
        run: Pretraining,
        results: Mapping[str, Any],
        base_model: str | None = None,
        facts: Mapping[str, str] | None = None,
    ) -> None:
        """Writes README.md of the finished folder and reports where the model is.

        Args:
            facts: more lines of the card's table, by name.
        """
        model = run.model
        table = {
            **(facts or {}),
            "family": model.config.model_type,
            "parameters": f"{model.num_parameters():,}",
            "vocabulary": f"{model.config.vocab_size:,}",
            "tokens trained on": f"{run.step * run.recipe.batch_tokens:,}",
            "steps": f"{run.step:,}",
            "time": f"{run.seconds / 60:,.1f} minutes",
            "hardware": hardware(run.device)
            + (f", {run.processes.count} processes" if run.processes.count > 1 else ""),
            "precision": "bfloat16 autocast" if run.bfloat16 else "float32",
        }
        mask = self.tokenizer.id_to_token(self.vocabulary.special.mask) or "<mask>"
        text = card(
            self.folder.resolve().name, summary, files=self.corpus.files, results=results, recipe=asdict(run.recipe), facts=table, mask=mask,
            base_model=base_model, picture=f"{self.work.name}/{PICTURE}" if (self.work / PICTURE).exists() else None,
        )  # fmt: skip
        write(self.folder / "README.md", text)
        self.reporter.say(f"the model is in {self.folder}")


def _contents(sources: Sequence[CorpusFile], corpus: TokenizedCorpus) -> dict[str, str]:
    """Identifies text in a state: the names of its files, and the key of the tokenized arrays."""
    names = [source.path.name for source in sources]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return {"name": ", ".join(names[:3]) + more, "digest": corpus.key}


def _values(progress: TrainingProgress) -> dict[str, float]:
    """Returns the values of a report that TensorBoard shows."""
    return {
        "train/loss": progress.loss,
        "train/share of the peak rate": progress.rate,
        "speed/tokens per second": progress.tokens_per_second,
        **{f"validation/{name}": value for name, value in progress.validation.items()},
    }


def _judged(progress: TrainingProgress) -> str:
    accuracy = progress.validation
    return (
        f" · held out: loss {accuracy['loss']:.3f}, top-1 {accuracy['top1']:.1%}, top-5 {accuracy['top5']:.1%}"
        if accuracy
        else ""
    )


def make_folder(folder: Path) -> None:
    """Creates the folder and checks that it's writable.

    Raises:
        TrainingError: it is not.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".writable-{os.getpid()}"
        probe.write_bytes(b"fillmask")
        probe.unlink()
    except OSError as error:
        raise TrainingError(f"cannot write to {folder}: {error.strerror}; choose another folder with -o") from error


def in_turn(processes: Processes, work: Callable[[], None]) -> None:
    """Runs `work` in the first process, and then in the others, which read the first one's files."""
    if processes.first:
        work()
    processes.wait()
    if not processes.first:
        work()
