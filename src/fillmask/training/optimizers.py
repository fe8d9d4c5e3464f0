"""The optimizers of a training: Muon or NorMuon on the hidden matrices, AdamW on the rest, or AdamW alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fillmask.training.recipe import Recipe

_LAYER = re.compile(r"\.(layer|layers|albert_layers)\.")
_WORD_EMBEDDINGS = re.compile(r"\.(word_embeddings|tok_embeddings)\.")
# Coefficients of the quintic Newton-Schulz iteration that Muon uses (Jordan et al. 2024).
_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def is_body(name: str, base_prefix: str) -> bool:
    """Whether a parameter belongs to the encoder's body: not to the head, nor to the word embeddings that it shares.

    Args:
        name: as in the model's state.
        base_prefix: transformers' prefix of the encoder, such as "bert".
    """
    return name.startswith(f"{base_prefix}.") and not _WORD_EMBEDDINGS.search(name)


def make_optimizers(model: Any, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """The recipe's optimizers, AdamW last. The body's rates are those of the rest times `recipe.body_rate`."""
    parameters = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    matrices = {
        name: p for name, p in parameters if recipe.optimizer != "adamw" and p.ndim == 2 and _LAYER.search(name)
    }
    others = {name: p for name, p in parameters if name not in matrices}
    prefix = model.base_model_prefix
    adamw = torch.optim.AdamW(
        _groups(others, prefix, recipe.lr, recipe.body_rate), lr=recipe.lr, betas=(0.9, 0.98),
        weight_decay=recipe.weight_decay, fused=True,
    )  # fmt: skip
    if not matrices:
        return [adamw]
    groups = _groups(matrices, prefix, recipe.muon_lr, recipe.body_rate)
    if recipe.optimizer == "normuon":
        return [NorMuon(groups, lr=recipe.muon_lr, weight_decay=recipe.muon_weight_decay), adamw]
    # Muon: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks".
    muon = torch.optim.Muon(groups, lr=recipe.muon_lr, weight_decay=recipe.muon_weight_decay, adjust_lr_fn="original")
    return [muon, adamw]


def _groups(parameters: Mapping[str, nn.Parameter], prefix: str, rate: float, body_rate: float) -> list[dict[str, Any]]:
    """One group where all have one rate, else the body's and the rest's."""
    if body_rate == 1:
        return [{"params": list(parameters.values()), "lr": rate}]
    body = [p for name, p in parameters.items() if is_body(name, prefix)]
    rest = [p for name, p in parameters.items() if not is_body(name, prefix)]
    return [{"params": members, "lr": lr} for members, lr in ((body, rate * body_rate), (rest, rate)) if members]


class NorMuon(torch.optim.Optimizer):
    """Muon with a rate for each neuron (Li et al. 2025, "NorMuon: Making Muon more efficient and scalable").

    The momentum is orthogonalized as in Muon; then each row is divided by the root of the running mean of its own
    squares, and the whole is scaled back to the norm that it had, so that Muon's rates apply.

    Args:
        parameters: matrices, or groups of matrices.
        lr: the learning rate.
        momentum: share of the momentum that is kept at each step; Nesterov's.
        beta2: the same of the running mean of squares.
        weight_decay: decoupled, times the rate.
    """

    def __init__(
        self,
        parameters: Iterable[Any],
        lr: float = 0.02,
        *,
        momentum: float = 0.95,
        beta2: float = 0.95,
        weight_decay: float = 0.1,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "beta2": beta2, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step; parameters without a gradient are passed over."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["momentum"] = torch.zeros_like(parameter)
                    state["squares"] = torch.zeros_like(parameter[:, :1])
                    state["steps"] = 0
                state["steps"] += 1
                state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
                update = orthogonalized(parameter.grad.lerp(state["momentum"], group["momentum"]))
                norm = update.norm()
                state["squares"].lerp_(update.square().mean(dim=1, keepdim=True), 1 - group["beta2"])
                mean = state["squares"] / (1 - group["beta2"] ** state["steps"])
                update = update / (mean.sqrt() + 1e-8)
                update = update * (norm / (update.norm() + 1e-8))
                rows, columns = parameter.shape
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(update, alpha=-group["lr"] * max(1.0, rows / columns) ** 0.5)
        return loss


def orthogonalized(matrix: Tensor, iterations: int = 5) -> Tensor:
    """About the nearest matrix with orthonormal rows or columns, (rows, columns), by Newton-Schulz iterations in bfloat16."""
    a, b, c = _NEWTON_SCHULZ
    tall = matrix.shape[0] > matrix.shape[1]
    x: Tensor = (matrix.T if tall else matrix).to(torch.bfloat16)
    x = x / (x.norm() + 1e-7)
    for _ in range(iterations):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.T if tall else x).to(matrix.dtype)
