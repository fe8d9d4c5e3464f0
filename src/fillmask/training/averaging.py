"""The mean of a model's weights over the last part of a training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


class WeightAverage:
    """The running mean of parameters, in float32.

    Attributes:
        count: how many sets of weights are in the mean.
    """

    def __init__(self) -> None:
        self.count = 0
        self._mean: dict[str, Tensor] = {}

    @torch.no_grad()
    def add(self, model: nn.Module) -> None:
        """Adds the model's current weights to the mean."""
        self.count += 1
        for name, parameter in model.named_parameters():
            if name in self._mean:
                self._mean[name].lerp_(parameter.float(), 1 / self.count)
            else:
                self._mean[name] = parameter.float().clone()

    @torch.no_grad()
    def copy_to(self, model: nn.Module) -> None:
        """Copies the mean to the model; changes nothing if the mean is empty."""
        for name, parameter in model.named_parameters():
            if name in self._mean:
                parameter.copy_(self._mean[name])

    def state_dict(self) -> dict[str, Any]:
        """Returns the state for `load_state_dict`."""
        return {"count": self.count, "mean": self._mean}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores a state."""
        self.count, self._mean = state["count"], dict(state["mean"])
