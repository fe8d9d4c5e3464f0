"""Training objectives as modules: masked tokens, sentence pairs, and distillation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fillmask.training.families import encode, head
from fillmask.training.masking import IGNORED


@dataclass(frozen=True)
class TrainingBatch:
    """Tensors of a masked batch, on the model's device; shapes as in `masking.MaskedBatch`.

    Attributes:
        type_ids: token types, for sentence pairs.
        pairs: 1 where the second sentence does not follow the first, (rows,), for sentence pairs.
    """

    input_ids: Tensor
    segment_ids: Tensor
    positions: Tensor
    labels: Tensor
    type_ids: Tensor | None = None
    pairs: Tensor | None = None

    def tuple(self) -> tuple[Tensor | None, ...]:
        """Returns the tensors as positional arguments of an objective."""
        return self.input_ids, self.segment_ids, self.positions, self.labels, self.type_ids, self.pairs


class MaskedTokens(nn.Module):
    """Mean cross-entropy at the masked places."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def logits(self, hidden: Tensor, positions: Tensor) -> Tensor:
        """Logits at the flattened `positions` of hidden states (rows, length, hidden); nowhere else are they computed."""
        return head(self.model, hidden.reshape(-1, hidden.shape[-1]).index_select(0, positions))

    def forward(
        self, input_ids: Tensor, segment_ids: Tensor, positions: Tensor, labels: Tensor,
        type_ids: Tensor | None = None, pairs: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """The loss of a batch."""
        hidden = encode(self.model, input_ids, segment_ids, type_ids)
        return nn.functional.cross_entropy(self.logits(hidden, positions), labels, ignore_index=IGNORED)


class SentencePairs(MaskedTokens):
    """Masked tokens and whether the second sentence follows the first: BERT's and ALBERT's sum of both losses."""

    def forward(
        self, input_ids: Tensor, segment_ids: Tensor, positions: Tensor, labels: Tensor,
        type_ids: Tensor | None = None, pairs: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """The loss of a batch."""
        assert pairs is not None
        hidden, pooled = encode(self.model, input_ids, segment_ids, type_ids, pooled=True)
        tokens = nn.functional.cross_entropy(self.logits(hidden, positions), labels, ignore_index=IGNORED)
        return tokens + nn.functional.cross_entropy(self.judge(pooled), pairs)

    def judge(self, pooled: Tensor) -> Tensor:
        """Logits (rows, 2) of the pooled output: follows, does not follow."""
        if hasattr(self.model, "sop_classifier"):
            return self.model.sop_classifier(pooled).float()  # type: ignore[no-any-return]
        return self.model.cls.seq_relationship(pooled).float()  # type: ignore[no-any-return]


@dataclass(frozen=True)
class DistillationWeights:
    """Shares of DistilBERT's three losses (Sanh et al. 2019), and the temperature of the first."""

    soft: float = 5.0
    masked: float = 2.0
    cosine: float = 1.0
    temperature: float = 2.0


class Distillation(MaskedTokens):
    """DistilBERT's loss: the teacher's soft answers at the masks, the true tokens, and the direction of hidden states.

    The cosine is left out where student and teacher differ in width.
    """

    def __init__(self, model: Any, teacher: Any, weights: DistillationWeights) -> None:
        super().__init__(model)
        self.weights = weights
        self._teacher = (
            MaskedTokens(teacher.requires_grad_(False).train(False)),
        )  # in a tuple: not among the parameters
        self.aligned = width(model.config) == width(teacher.config)

    def forward(
        self, input_ids: Tensor, segment_ids: Tensor, positions: Tensor, labels: Tensor,
        type_ids: Tensor | None = None, pairs: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """The loss of a batch."""
        hidden = encode(self.model, input_ids, segment_ids)
        logits = self.logits(hidden, positions)
        (teacher,) = self._teacher
        with torch.no_grad():
            teacher_hidden = encode(teacher.model, input_ids, segment_ids)
            teacher_logits = teacher.logits(teacher_hidden, positions)
        w, used = self.weights, (labels != IGNORED).float()
        cold = nn.functional.log_softmax(logits / w.temperature, -1)
        target = nn.functional.log_softmax(teacher_logits / w.temperature, -1)
        soft = nn.functional.kl_div(cold, target, reduction="none", log_target=True).sum(-1)
        loss = w.soft * w.temperature**2 * (soft * used).sum() / used.sum()
        loss = loss + w.masked * nn.functional.cross_entropy(logits, labels, ignore_index=IGNORED)
        if self.aligned and w.cosine:
            text = (segment_ids > 0).float()
            apart = 1 - nn.functional.cosine_similarity(hidden.float(), teacher_hidden.float(), dim=-1)
            loss = loss + w.cosine * (apart * text).sum() / text.sum()
        return loss


def width(config: Any) -> int:
    """Size of a model's hidden states."""
    return int(config.hidden_size)
