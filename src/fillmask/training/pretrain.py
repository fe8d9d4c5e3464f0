"""Pretrain a masked language model from packed rows.

One loop, one recipe: ModernBERT's shape from transformers, the loss at the
masked positions alone, Muon on the hidden matrices and AdamW on the rest,
warm-up, a constant rate and a linear decay to zero, and stages that lower the
masking rate or lengthen the rows as training goes on. What a step does depends
only on the seed and the step's number, so a run that is killed and resumed
follows the curve of one that was not.

The loop knows nothing of text: it is given rows of token ids.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fillmask.errors import MissingExtraError

try:
    import torch
    from torch import Tensor, nn
    from transformers import ModernBertConfig, ModernBertForMaskedLM
    from transformers.utils.logging import disable_progress_bar
except ImportError as missing:
    raise MissingExtraError("training", "train") from missing

from fillmask.training.masking import mask_exactly
from fillmask.training.packing import SpecialIds, segments

Rows = npt.NDArray[np.uint16]


@dataclass(frozen=True)
class Shape:
    """Size of a ModernBERT encoder."""

    hidden_size: int = 256
    layers: int = 6
    intermediate_size: int = 384
    head_size: int = 64
    max_positions: int = 512

    def config(self, vocab_size: int, special: SpecialIds) -> ModernBertConfig:
        """The model's config for a vocabulary."""
        return ModernBertConfig(
            vocab_size=vocab_size,
            hidden_size=self.hidden_size,
            num_hidden_layers=self.layers,
            intermediate_size=self.intermediate_size,
            num_attention_heads=self.hidden_size // self.head_size,
            max_position_embeddings=self.max_positions,
            pad_token_id=special.pad,
            bos_token_id=special.bos,
            cls_token_id=special.bos,
            eos_token_id=special.eos,
            sep_token_id=special.eos,
        )


@dataclass(frozen=True)
class Stage:
    """A part of training with fixed shapes: up to `until` (share of all tokens), rows of `length`, `rate` of it masked."""

    until: float
    length: int
    rate: float

    @property
    def masked(self) -> int:
        """Masked tokens a row."""
        return max(1, round(self.rate * self.length))


@dataclass(frozen=True)
class Recipe:
    """What decides the training curve, together with the rows and the shape.

    `lr` is AdamW's peak (embeddings, norms, biases), `muon_lr` Muon's (hidden
    matrices). Rates rise over `warmup_steps`, stay, and fall to zero over the
    last `decay` share of `tokens`.
    """

    tokens: int
    batch_tokens: int = 8192
    lr: float = 2e-3
    muon_lr: float = 0.02
    muon_weight_decay: float = 0.1
    weight_decay: float = 0.01
    clip: float = 1.0
    warmup_steps: int = 300
    decay: float = 0.4
    seed: int = 0
    # The masking rate falls from 30% to 15% (Ankner et al. 2023, "Dynamic
    # Masking Rate Schedules for MLM Pretraining"), in steps that keep shapes
    # fixed; the last stage lengthens the rows.
    stages: tuple[Stage, ...] = (
        Stage(0.30, 128, 0.30),
        Stage(0.60, 128, 0.25),
        Stage(0.85, 128, 0.20),
        Stage(1.00, 256, 0.15),
    )

    @property
    def steps(self) -> int:
        return max(1, self.tokens // self.batch_tokens)

    def stage_at(self, step: int) -> Stage:
        done = step / self.steps
        return next((stage for stage in self.stages if done < stage.until), self.stages[-1])

    def rate_factor(self, step: int) -> float:
        """Share of the peak learning rate at `step`."""
        warm = min(1.0, (step + 1) / self.warmup_steps)
        cool = min(1.0, (self.steps - step) / max(1.0, self.decay * self.steps))
        return min(warm, cool)


@dataclass
class Progress:
    """What the loop reports after a logging interval."""

    step: int
    steps: int
    tokens: int
    loss: float
    tokens_per_second: float
    seconds: float
    validation: dict[str, float] = field(default_factory=dict)


def masked_loss(
    model: ModernBertForMaskedLM, input_ids: Tensor, segment_ids: Tensor, positions: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor]:
    """Mean cross-entropy over the masked positions, and their logits.

    Args:
        input_ids: (rows, length). segment_ids: (rows, length), 0 for padding.
        positions: indices into the flattened batch, (masks,). labels: (masks,).

    Returns:
        The loss, a scalar, and the logits, (masks, vocabulary). Logits are
        never computed anywhere else: at 15% masking that is five sixths of the
        head's work left undone.
    """
    hidden = encode(model, input_ids, segment_ids).reshape(-1, model.config.hidden_size)
    logits = model.decoder(model.head(hidden.index_select(0, positions))).float()
    return nn.functional.cross_entropy(logits, labels), logits


def encode(model: ModernBertForMaskedLM, input_ids: Tensor, segment_ids: Tensor) -> Tensor:
    """Hidden states (rows, length, hidden) with attention kept within segments and, in local layers, within the window."""
    length = input_ids.shape[1]
    together = segment_ids[:, None, :, None] == segment_ids[:, None, None, :]
    place = torch.arange(length, device=input_ids.device)
    near = (place[:, None] - place[None, :]).abs() <= model.config.sliding_window
    floor = torch.tensor(-1e4, dtype=torch.float32, device=input_ids.device)
    zero = torch.zeros((), dtype=torch.float32, device=input_ids.device)
    masks = {
        "full_attention": torch.where(together, zero, floor),
        "sliding_attention": torch.where(together & near, zero, floor),
    }
    hidden: Tensor = model.model(input_ids=input_ids, attention_mask=masks).last_hidden_state
    return hidden


def _optimizers(model: nn.Module, recipe: Recipe) -> list[torch.optim.Optimizer]:
    hidden = [p for name, p in model.named_parameters() if p.ndim == 2 and ".layers." in name]
    chosen = {id(p) for p in hidden}
    rest = [p for p in model.parameters() if id(p) not in chosen]
    # Muon: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks".
    muon = torch.optim.Muon(hidden, lr=recipe.muon_lr, weight_decay=recipe.muon_weight_decay, adjust_lr_fn="original")
    adamw = torch.optim.AdamW(rest, lr=recipe.lr, betas=(0.9, 0.98), weight_decay=recipe.weight_decay, fused=True)
    return [muon, adamw]


def _row_order(count: int, seed: int, length: int) -> Callable[[int], int]:
    """Row number for the n-th draw: every row once an epoch, each epoch in another order."""
    orders: dict[int, npt.NDArray[np.int64]] = {}

    def draw(n: int) -> int:
        epoch, at = divmod(n, count)
        if epoch not in orders:
            orders.clear()
            orders[epoch] = np.random.default_rng([seed, length, epoch]).permutation(count)
        return int(orders[epoch][at])

    return draw


class Pretraining:
    """A training run: model, optimisers and where in the recipe they are."""

    def __init__(
        self,
        model: ModernBertForMaskedLM,
        rows: dict[int, Rows],
        validation: Rows,
        special: SpecialIds,
        recipe: Recipe,
        *,
        device: str = "cpu",
        compile: bool = True,
    ) -> None:
        missing = {stage.length for stage in recipe.stages} - set(rows)
        if missing:
            raise ValueError(f"no rows of length {sorted(missing)}; the recipe's stages need them")
        # Plain attention: its products are short here, and unlike the fused CPU
        # kernel its backward pass is as fast (16,000 against 11,000 tokens/s).
        model.set_attn_implementation("eager")
        self.model: ModernBertForMaskedLM = model.to(torch.device(device))  # type: ignore[arg-type]
        self.rows = rows
        self.special = special
        self.recipe = recipe
        self.device = device
        self.validation = validation
        self.step = 0
        self.seconds = 0.0
        self.optimizers = _optimizers(self.model, recipe)
        self._peaks = [[group["lr"] for group in o.param_groups] for o in self.optimizers]
        self._draws = {length: _row_order(len(r), recipe.seed, length) for length, r in rows.items()}
        # The logits are dropped inside the compiled function, so that they are never returned from it.
        loss: Callable[..., Tensor] = lambda *inputs: masked_loss(self.model, *inputs)[0]  # noqa: E731
        self._loss = torch.compile(loss, dynamic=False) if compile else loss

    def _autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.split(":")[0], torch.bfloat16)

    def _tensors(self, rows: Rows, count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        batch = mask_exactly(rows, count, self.special, rng)
        arrays = (batch.input_ids, segments(rows, self.special), batch.positions, batch.labels)
        a, b, c, d = (torch.from_numpy(x).to(self.device) for x in arrays)
        return a, b, c, d

    def _batch(self, step: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        stage = self.recipe.stage_at(step)
        size = self.recipe.batch_tokens // stage.length
        draw, rows = self._draws[stage.length], self.rows[stage.length]
        picked: list[Rows] = []
        # Rows with too little to mask (the padded end of the corpus) are passed over.
        for n in range(step * size, (step + 1) * size):
            row = rows[draw(n)]
            bump = 0
            while int((~np.isin(row, list(self.special))).sum()) < stage.masked:
                bump += 1
                row = rows[(draw(n) + bump) % len(rows)]
            picked.append(row)
        return self._tensors(np.stack(picked), stage.masked, np.random.default_rng([self.recipe.seed, 1, step]))

    def train_step(self) -> Tensor:
        """One optimiser step; returns the loss, a scalar on the device."""
        factor = self.recipe.rate_factor(self.step)
        for optimizer, peaks in zip(self.optimizers, self._peaks, strict=True):
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak * factor
        with self._autocast():
            loss = self._loss(*self._batch(self.step))
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_((p for g in self.optimizers[1].param_groups for p in g["params"]), self.recipe.clip)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        self.step += 1
        return loss.detach()

    @torch.no_grad()
    def validate(self, rate: float = 0.15) -> dict[str, float]:
        """Loss and masked-token accuracy (top-1, top-5) on the validation rows, always with the same masks."""
        self.model.train(False)
        stage = Stage(1.0, self.validation.shape[1], rate)
        total = {"loss": 0.0, "top1": 0.0, "top5": 0.0}
        count = 0
        for start in range(0, len(self.validation) - 31, 32):
            inputs = self._tensors(self.validation[start : start + 32], stage.masked, np.random.default_rng([7, start]))
            with self._autocast():
                loss, logits = masked_loss(self.model, *inputs)
            hits = logits.topk(5).indices == inputs[3][:, None]
            total["loss"] += float(loss) * len(hits)
            total["top1"] += float(hits[:, 0].sum())
            total["top5"] += float(hits.sum())
            count += len(hits)
        self.model.train()
        return {name: value / count for name, value in total.items()}

    def run(
        self, folder: Path, *, log_every: int = 50, validate_every: int = 500, save_seconds: float = 300.0
    ) -> Iterator[Progress]:
        """Train to the recipe's end, keeping `folder/state.pt` fresh and yielding progress.

        A run whose folder holds a state goes on from it.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.resume(folder)
        self.model.train()
        saved = logged = time.perf_counter()
        losses: list[Tensor] = []
        while self.step < self.recipe.steps:
            losses.append(self.train_step())
            last = self.step == self.recipe.steps
            if self.step % log_every == 0 or last:
                now = time.perf_counter()
                mean = float(torch.stack(losses).mean())
                if not math.isfinite(mean):
                    raise FloatingPointError(
                        f"the loss is {mean} at step {self.step}; lower lr and muon_lr, and resume from {folder}"
                    )
                self.seconds += now - logged
                progress = Progress(
                    self.step, self.recipe.steps, self.step * self.recipe.batch_tokens, mean,
                    len(losses) * self.recipe.batch_tokens / (now - logged), self.seconds,
                )  # fmt: skip
                losses.clear()
                if self.step % validate_every == 0 or last:
                    progress.validation = self.validate()
                _append_line(folder / "curve.jsonl", {k: v for k, v in asdict(progress).items() if v != {}})
                if now - saved > save_seconds or last:
                    self.save(folder)
                    saved = time.perf_counter()
                logged = time.perf_counter()
                yield progress

    def save(self, folder: Path) -> None:
        """Write the resumable state, atomically."""
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "recipe": asdict(self.recipe),
            "model": self.model.state_dict(),
            "optimizers": [o.state_dict() for o in self.optimizers],
        }
        part = folder / "state.pt.part"
        torch.save(state, part)
        os.replace(part, folder / "state.pt")

    def resume(self, folder: Path) -> bool:
        """Go on from `folder/state.pt` if it is there.

        The total number of tokens may differ from the saved one (a longer or
        shorter run); what the steps taken so far depended on may not.

        Raises:
            ValueError: the saved run had another seed or batch size.
        """
        path = folder / "state.pt"
        if not path.exists():
            return False
        state = torch.load(path, map_location=self.device, weights_only=True)
        for name in ("seed", "batch_tokens"):
            if state["recipe"][name] != getattr(self.recipe, name):
                raise ValueError(
                    f"{path} was trained with {name}={state['recipe'][name]}, not {getattr(self.recipe, name)}; use another folder"
                )
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step, self.seconds = state["step"], state["seconds"]
        return True


def export(model: ModernBertForMaskedLM, folder: Path, *, half: bool = True) -> None:
    """Write config.json and model.safetensors as transformers does; with `half`, weights stored in float16.

    The config asks for float32, so that transformers and fillmask both compute in it.
    """
    disable_progress_bar()  # type: ignore[no-untyped-call]  # its bar for a write of milliseconds would tear the training's own
    staging = folder / ".export"
    copy = ModernBertForMaskedLM(model.config)
    copy.load_state_dict(model.state_dict())
    copy.to(torch.float16 if half else torch.float32).save_pretrained(staging)  # type: ignore[arg-type]
    config = json.loads((staging / "config.json").read_text())
    config["dtype"] = "float32"
    (staging / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    for name in ("config.json", "model.safetensors"):
        os.replace(staging / name, folder / name)
    shutil.rmtree(staging)


def _append_line(path: Path, record: dict[str, object]) -> None:
    with open(path, "a", encoding="utf-8") as out:
        out.write(json.dumps(record) + "\n")
