"""The training loop: rows of token ids in, a trained model out, the same curve whatever interrupts it.

The loss at the masked places alone; Muon on the hidden matrices and AdamW on
the rest; bfloat16 autocast; warm-up, then a constant rate and a decay; stages
that lower the masking rate or lengthen the rows. What a step does depends only
on the seed and the step's number, and neither on the number of processes nor
on how its batch is cut: a run that is killed and resumed follows the curve of
one that was not.

The loop knows nothing of text: it is given rows of token ids.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fillmask.errors import MissingExtraError, TrainingError

try:
    import torch
    from torch import Tensor, nn
except ImportError as missing:
    raise MissingExtraError("training", "train") from missing

from fillmask.training.averaging import WeightAverage
from fillmask.training.families import encode
from fillmask.training.masking import IGNORED, MaskedBatch, Masker
from fillmask.training.objectives import MaskedTokens, TrainingBatch
from fillmask.training.optimizers import is_body, make_optimizers
from fillmask.training.pairs import token_types
from fillmask.training.processes import Processes
from fillmask.training.recipe import Recipe, lasting
from fillmask.training.sampling import RowSampler, usable_rows
from fillmask.training.state import cut_curve, log, read_state, write_state
from fillmask.training.vocabulary import MaskingVocabulary

Rows = npt.NDArray[Any]
_VALIDATION_BATCH = 32


@dataclass(frozen=True)
class TrainingRows:
    """Rows to train on and to validate with.

    Attributes:
        rows: rows of each length that the recipe's stages need, (rows, length).
        validation: rows that are never trained on, all of one length; none if nothing was held out.
        pairs: for sentence pairs, the label of each row, by length.
    """

    rows: dict[int, Rows]
    validation: Rows
    pairs: dict[int, npt.NDArray[np.int64]] = field(default_factory=dict)


@dataclass
class TrainingProgress:
    """Report of the loop after a logging interval."""

    step: int
    steps: int
    tokens: int
    loss: float
    rate: float
    tokens_per_second: float
    seconds: float
    validation: dict[str, float] = field(default_factory=dict)


class DivergedError(TrainingError):
    """Raised when the loss is not a finite number."""


class Pretraining:
    """A training run: the model, its optimizers, and the current step of the recipe.

    Args:
        model: a transformers model of one of `families.FAMILIES`.
        objective: what is minimised; masked tokens by default.
        device: "cpu", "cuda" or "cuda:1".
        compile: whether to compile the model; a minute's work that doubles the speed.
        attention: "eager" or "sdpa". On a CPU plain products are short here and, unlike the fused kernel's, their
            backward pass is as fast (16,000 against 11,000 tokens a second); on a GPU the fused kernel is.
        micro_tokens: tokens that go through the model at once; gradients of a larger step are added up.
        bfloat16: autocast to it.
        made_of: what the rows and the model are of, as JSON has it; only a run of the same goes on from its state.

    Raises:
        TrainingError: the rows do not fit the recipe.
    """

    def __init__(
        self,
        model: Any,
        data: TrainingRows,
        vocabulary: MaskingVocabulary,
        recipe: Recipe,
        *,
        objective: MaskedTokens | None = None,
        device: str = "cpu",
        compile: bool = True,
        attention: str | None = None,
        micro_tokens: int | None = None,
        bfloat16: bool = True,
        processes: Processes | None = None,
        made_of: Mapping[str, Any] | None = None,
    ) -> None:
        missing = set(recipe.lengths) - set(data.rows)
        if missing:
            raise TrainingError(f"there are no rows of length {sorted(missing)}; the recipe's stages need them")
        model.set_attn_implementation(attention or ("sdpa" if device.startswith("cuda") else "eager"))
        self.model: Any = model.to(torch.device(device))
        self.data, self.recipe, self.device, self.bfloat16 = data, recipe, device, bfloat16
        self.processes = processes or Processes()
        self._made_of: dict[str, Any] = json.loads(json.dumps(made_of or {}))
        self.masker = Masker(vocabulary, recipe.masking)
        self._judge = Masker(vocabulary)  # validation always hides single tokens
        self.step = 0
        self.seconds = 0.0
        self._micro_tokens = micro_tokens or max(8192, *recipe.lengths)
        self.objective = objective or MaskedTokens(self.model)
        self.objective.to(torch.device(device))
        self.optimizers = make_optimizers(self.model, recipe)
        prefix = self.model.base_model_prefix
        self._body = [p for name, p in self.model.named_parameters() if is_body(name, prefix)]
        self.average = WeightAverage()
        self._last_weights: dict[str, Tensor] | None = None
        self._peaks = [[group["lr"] for group in o.param_groups] for o in self.optimizers]
        self._draws = {
            n: RowSampler(usable_rows(rows, vocabulary.forbidden), recipe.seed, n) for n, rows in data.rows.items()
        }
        for length in recipe.lengths:
            self._cut(length)
        run: Any = self.objective
        self._distributed: Any = None
        if self.processes.count > 1:
            ids = [torch.device(device).index] if device.startswith("cuda") else None
            # The tied output embedding and unused poolers have no gradient of their own in some families.
            run = self._distributed = nn.parallel.DistributedDataParallel(
                run, device_ids=ids, find_unused_parameters=True
            )
        self._loss: Callable[..., Tensor] = torch.compile(run, dynamic=False) if compile else run
        self._ahead = ThreadPoolExecutor(1) if device.startswith("cuda") else None
        self._next: tuple[int, Future[list[TrainingBatch]]] | None = None

    def _cut(self, length: int) -> tuple[int, int, int]:
        """Returns the rows of a step, the rows of one forward pass in this process, and the rows that are masked together."""
        size = max(1, self.recipe.batch_tokens // length)
        count = self.processes.count
        if size % count:
            raise TrainingError(
                f"a step of {self.recipe.batch_tokens} tokens is {size} rows of {length}, which {count} processes cannot"
                " share evenly; choose --batch-tokens so that they can"
            )
        # What is masked together depends on the step's size alone, so that it is the same however the step is cut.
        own_rows = size // count
        together = math.gcd(size, 32 if size >= 256 else 8)
        if own_rows % together:
            together = math.gcd(own_rows, together)
        micro_limit = max(together, self._micro_tokens // length)
        micro = next(n for n in range(min(own_rows, micro_limit), 0, -1) if own_rows % n == 0 and n % together == 0)
        return size, micro, together

    def _autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.split(":")[0], torch.bfloat16) if self.bfloat16 else nullcontext()

    def _inputs(self, parts: list[MaskedBatch], labels: npt.NDArray[np.int64] | None) -> TrainingBatch:
        """Joins masked parts of a batch and moves them to the device."""
        first = parts[0]
        places = first.input_ids.size
        positions = np.concatenate([part.positions + n * places for n, part in enumerate(parts)])
        ids = np.concatenate([part.input_ids for part in parts])
        arrays = [
            ids,
            np.concatenate([part.segment_ids for part in parts]),
            positions,
            np.concatenate([part.labels for part in parts]),
        ]
        if labels is not None:
            arrays += [token_types(ids, self.masker.vocabulary.special), labels]
        tensors = [torch.from_numpy(array) for array in arrays]
        if self.device.startswith("cuda"):
            tensors = [tensor.pin_memory() for tensor in tensors]
        return TrainingBatch(*(tensor.to(self.device, non_blocking=True) for tensor in tensors))

    def _batches(self, step: int) -> list[TrainingBatch]:
        """Returns this process's part of a step, one batch for each forward pass."""
        stage = self.recipe.stage_at(step)
        size, micro, together = self._cut(stage.length)
        rows, pairs = self.data.rows[stage.length], self.data.pairs.get(stage.length)
        picked, epochs = self._draws[stage.length](step * size, (step + 1) * size)
        own_rows = size // self.processes.count
        start = own_rows * self.processes.rank
        duplicates, batches = self.recipe.masking.duplicates, []
        for begin in range(start, start + own_rows, micro):
            parts = []
            masked_rows = 1 if duplicates else together
            for at in range(begin, begin + micro, masked_rows):
                row_numbers = picked[at : at + masked_rows]
                key = (
                    (2, int(row_numbers[0]), int(epochs[at]) % duplicates)
                    if duplicates
                    else (1, step, at // masked_rows)
                )
                rng = np.random.default_rng([self.recipe.seed, *key])
                parts.append(self.masker(np.asarray(rows[row_numbers]), stage.rate, rng))
            labels = None if pairs is None else pairs[picked[begin : begin + micro]]
            batches.append(self._inputs(parts, labels))
        return batches

    def _prepared(self) -> list[TrainingBatch]:
        """Returns the step's batches; on a GPU, masks the next step's batches in the background."""
        if self._ahead is None:
            return self._batches(self.step)
        ready = self._next[1].result() if self._next and self._next[0] == self.step else self._batches(self.step)
        self._next = (self.step + 1, self._ahead.submit(self._batches, self.step + 1))
        return ready

    def train_step(self) -> Tensor:
        """Runs one optimizer step and returns the loss of this process's part, a scalar on the device."""
        factor = self.recipe.rate_factor(self.step)
        for optimizer, peaks in zip(self.optimizers, self._peaks, strict=True):
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak * factor
        # Dropout draws the same whether or not the run was resumed here.
        torch.manual_seed(hash((self.recipe.seed, self.step, self.processes.rank)) % (1 << 31))
        batches = self._prepared()
        total = torch.zeros((), device=self.device)
        for number, batch in enumerate(batches, 1):
            waits = self._distributed is not None and number < len(batches)
            with self._distributed.no_sync() if waits else nullcontext():
                with self._autocast():
                    loss = self._loss(*batch.tuple()) / len(batches)
                loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        if self.recipe.holds(self.step):
            for parameter in self._body:
                parameter.grad = None  # optimizers pass over what has no gradient
        nn.utils.clip_grad_norm_((p for g in self.optimizers[-1].param_groups for p in g["params"]), self.recipe.clip)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        self.step += 1
        if self.recipe.averages(self.step):
            self.average.add(self.model)
        return total

    @torch.no_grad()
    def validate(self, rate: float = 0.15) -> dict[str, float]:
        """Loss and masked-token accuracy (top-1, top-5) on the validation rows, always with the same masks.

        Nothing if no rows were held out.
        """
        rows = self.data.validation
        if not len(rows):
            return {}
        self.model.train(False)
        head = MaskedTokens(self.model)
        sums = np.zeros(4)
        for start in range(0, len(rows), _VALIDATION_BATCH):
            batch = self._judge(
                np.asarray(rows[start : start + _VALIDATION_BATCH]), rate, np.random.default_rng([7, start])
            )
            inputs = self._inputs([batch], None)
            with self._autocast():
                hidden = encode(self.model, inputs.input_ids, inputs.segment_ids)
                logits = head.logits(hidden, inputs.positions)
            used = inputs.labels != IGNORED
            logits, labels = logits[used], inputs.labels[used]
            hits = logits.topk(5).indices == labels[:, None]
            loss = nn.functional.cross_entropy(logits, labels, reduction="sum")
            sums += [float(loss), float(hits[:, 0].sum()), float(hits.sum()), len(labels)]
        self.model.train()
        return dict(zip(("loss", "top1", "top5"), (sums[:3] / max(1.0, sums[3])).tolist(), strict=True))

    def run(
        self, folder: Path, *, log_every: int = 50, validate_every: int = 500, save_seconds: float = 300.0
    ) -> Iterator[TrainingProgress]:
        """Trains to the recipe's end, keeps `folder/state.pt` up to date, and yields progress.

        A run whose folder holds a state goes on from it. With several
        processes all must run, and the first reports and writes.

        Raises:
            TrainingError: the loss is no number, or the state cannot be used or written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        if not self.step:  # the caller may have resumed it, to tell how far it is
            self.resume(folder)
        if self.processes.first:
            cut_curve(folder, self.step)
        self.model.train()
        saved = logged = time.perf_counter()
        losses: list[Tensor] = []
        while self.step < self.recipe.steps:
            losses.append(self.train_step())
            last = self.step == self.recipe.steps
            if self.step % log_every and self.step % validate_every and not last:
                continue
            mean = torch.stack(losses).mean()
            if self.processes.count > 1:
                _mean_of_processes(mean)
            now = time.perf_counter()
            if not math.isfinite(float(mean)):
                raise DivergedError(
                    f"the loss is {float(mean)} at step {self.step}; lower --lr and --muon-lr, and start again in another folder"
                )
            self.seconds += now - logged
            progress = TrainingProgress(
                self.step, self.recipe.steps, self.step * self.recipe.batch_tokens, float(mean),
                self.recipe.rate_factor(self.step - 1), len(losses) * self.recipe.batch_tokens / (now - logged), self.seconds,
            )  # fmt: skip
            losses.clear()
            if last:
                self.finish()
            if self.processes.first:
                if self.step % validate_every == 0 or last:
                    progress.validation = self.validate()
                log(folder, {k: v for k, v in asdict(progress).items() if v != {}})
                if now - saved > save_seconds or last:
                    self.save(folder)
                    saved = time.perf_counter()
            logged = time.perf_counter()
            yield progress
        if self._ahead:
            self._ahead.shutdown(cancel_futures=True)

    def finish(self) -> None:
        """Replaces the weights with their mean if the recipe averages and has reached its end.

        `save` still writes the last weights, from which a longer run continues.
        """
        if self.average.count and self._last_weights is None and self.step >= self.recipe.steps:
            self._last_weights = {name: value.clone() for name, value in self.model.state_dict().items()}
            self.average.copy_to(self.model)

    def save(self, folder: Path) -> None:
        """Writes the resumable state.

        Raises:
            TrainingError: it cannot be written.
        """
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "recipe": json.loads(json.dumps(asdict(self.recipe))),
            "made_of": self._made_of,
            "model": self._last_weights or self.model.state_dict(),
            "optimizers": [o.state_dict() for o in self.optimizers],
            "average": self.average.state_dict(),
        }
        write_state(folder, state)

    def resume(self, folder: Path) -> bool:
        """Continues from `folder/state.pt` if it exists.

        The total number of tokens may differ from the saved one (a longer or
        shorter run); nothing else may that decides the steps.

        Raises:
            TrainingError: the saved run was another, or its state is damaged.
        """
        state = read_state(folder, self.device, lasting(self.recipe), self._made_of)
        if state is None:
            return False
        try:
            self.model.load_state_dict(state["model"])
        except RuntimeError as error:
            raise TrainingError(f"{folder} has the state of a model of another shape; use another folder") from error
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step, self.seconds = state["step"], state["seconds"]
        # A longer run averages later weights than the saved one did.
        if "average" in state and state["recipe"]["tokens"] == self.recipe.tokens:
            self.average.load_state_dict(state["average"])
        return True


def _mean_of_processes(value: Tensor) -> None:
    """Averages a value over all processes, in place."""
    torch.distributed.all_reduce(value)
    value /= torch.distributed.get_world_size()
