"""The encoder families that can be trained: sizes, attention within segments, and heads.

Model classes are transformers'. `encode` gives hidden states with attention
kept within segments; `head` turns the hidden states of masked places, and no
others, into logits: (rows × length × vocabulary) numbers are never made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fillmask.errors import InputError, MissingExtraError

try:
    import torch
    from torch import Tensor
    from transformers import AutoConfig, AutoModelForMaskedLM, AutoModelForPreTraining
except ImportError as missing:
    raise MissingExtraError("training", "train") from missing

from fillmask.training.packing import SpecialIds


@dataclass(frozen=True)
class EncoderSize:
    """Width and depth of an encoder."""

    hidden: int
    layers: int
    heads: int
    inner: int  # of the feed-forward; ModernBERT's gated one takes three eighths of it


SIZES = {
    "tiny": EncoderSize(128, 4, 2, 512),
    "small": EncoderSize(256, 6, 4, 1024),
    "medium": EncoderSize(512, 8, 8, 2048),
    "base": EncoderSize(768, 12, 12, 3072),
}
FAMILIES = (
    "modernbert", "bert", "roberta", "distilbert", "albert", "electra", "mpnet", "deberta-v2", "camembert",
    "xlm-roberta", "nomic_bert", "convbert",
)  # fmt: skip
# Their position ids begin after the padding's.
POSITIONS_AFTER_PADDING = {"roberta", "camembert", "xlm-roberta", "mpnet"}
# Convolutions over the tokens reach across the ends of a text.
NOT_CONTAINED = {"convbert"}
PAIRS = {"nsp": "bert", "sop": "albert"}
_DROPOUTS = (
    "hidden_dropout_prob", "attention_probs_dropout_prob", "dropout", "attention_dropout", "embedding_dropout",
    "mlp_dropout", "classifier_dropout_prob",
)  # fmt: skip


def make_config(
    family: str,
    size: str,
    vocab_size: int,
    special: SpecialIds,
    *,
    max_positions: int = 512,
    dropout: float = 0.0,
    **overrides: Any,
) -> Any:
    """A transformers config.

    Args:
        overrides: values of the family's own config, which win.

    Raises:
        InputError: no such family or size, or a value that its config does not have.
    """
    if family not in FAMILIES:
        raise InputError(f"there is no family {family!r}; expected one of {', '.join(FAMILIES)}")
    if size not in SIZES:
        raise InputError(f"there is no size {size!r}; expected one of {', '.join(SIZES)}")
    shape = SIZES[size]
    values: dict[str, Any] = {
        "vocab_size": vocab_size,
        "max_position_embeddings": max_positions,
        "pad_token_id": special.pad,
        "bos_token_id": special.bos,
        "cls_token_id": special.bos,
        "eos_token_id": special.eos,
        "sep_token_id": special.eos,
    }
    names = {
        "distilbert": ("dim", "n_layers", "n_heads", "hidden_dim"),
    }.get(family, ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"))
    values |= dict(zip(names, (shape.hidden, shape.layers, shape.heads, shape.inner), strict=True))
    match family:
        case "modernbert":
            values |= {"intermediate_size": shape.inner * 3 // 8}
            if size == "base":
                values |= {"num_hidden_layers": 22, "intermediate_size": 1152}
        case "roberta" | "camembert" | "xlm-roberta":
            values |= {"type_vocab_size": 1, "max_position_embeddings": max_positions + special.pad + 1}
        case "mpnet":
            values |= {"max_position_embeddings": max_positions + special.pad + 1}
        case "albert" | "electra" | "convbert":
            values |= {"embedding_size": 128 if family == "albert" else shape.hidden}
        case "deberta-v2":
            values |= {
                "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_biased_input": False,
                "max_relative_positions": max_positions, "position_buckets": 256, "type_vocab_size": 0,
            }  # fmt: skip
        case "nomic_bert":
            values |= {"head_dim": shape.hidden // shape.heads}
    config: Any = AutoConfig.for_model(family, **values)
    unknown = [name for name in overrides if not hasattr(config, name)]
    if unknown:
        raise InputError(f"{family}'s config has no {', '.join(sorted(unknown))}")
    for name in (*names, "embedding_size", "max_position_embeddings"):
        count = overrides.get(name, 1)
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise InputError(f"{family}'s {name} is {count!r}; expected a whole number of 1 or more")
    config = AutoConfig.for_model(family, **{**values, **overrides})
    set_dropout(config, dropout)
    return config


def set_dropout(config: Any, rate: float) -> None:
    """Every dropout of a config at `rate`."""
    for name in _DROPOUTS:
        if isinstance(getattr(config, name, None), int | float):
            setattr(config, name, rate)


def make_model(config: Any, objective: str = "mlm") -> Any:
    """A model with random weights; for sentence pairs with the head that judges them.

    Raises:
        InputError: the family has no such head.
    """
    if objective == "mlm":
        return AutoModelForMaskedLM.from_config(config)  # type: ignore[no-untyped-call]
    if config.model_type != PAIRS[objective]:
        raise InputError(
            f"the objective {objective} is of {PAIRS[objective]} models; {config.model_type} has no such head"
        )
    return AutoModelForPreTraining.from_config(config)  # type: ignore[no-untyped-call]


def encode(
    model: Any, input_ids: Tensor, segment_ids: Tensor, type_ids: Tensor | None = None, *, pooled: bool = False
) -> Any:
    """Hidden states, (rows, length, hidden), every segment read by itself.

    Args:
        input_ids: (rows, length). segment_ids: (rows, length), 0 for padding.
        type_ids: token types, (rows, length), for sentence pairs.
        pooled: give (hidden states, pooled output).
    """
    config = model.config
    together = segment_ids[:, None, :, None] == segment_ids[:, None, None, :]
    eager = config._attn_implementation == "eager"

    def mask(allowed: Tensor) -> Tensor:
        if not eager:
            return allowed
        zero = torch.zeros((), dtype=torch.float32, device=input_ids.device)
        return torch.where(allowed, zero, torch.full_like(zero, -1e4))

    if config.model_type == "deberta-v2":  # its embeddings and its layers want masks of different shapes
        base = model.base_model
        types = torch.zeros_like(input_ids) if type_ids is None else type_ids
        embedded = base.embeddings(input_ids=input_ids, token_type_ids=types, mask=segment_ids > 0)
        return base.encoder(embedded, together, output_hidden_states=False, return_dict=True).last_hidden_state
    inputs: dict[str, Any] = {"input_ids": input_ids}
    if config.model_type == "modernbert":  # positions count relatively, and local layers have a window of their own
        place = torch.arange(input_ids.shape[1], device=input_ids.device)
        near = (place[:, None] - place[None, :]).abs() <= config.sliding_window
        inputs["attention_mask"] = {"full_attention": mask(together), "sliding_attention": mask(together & near)}
    else:
        inputs["attention_mask"] = mask(together)
        place = torch.arange(input_ids.shape[1], device=input_ids.device).expand_as(segment_ids)
        begins = torch.nn.functional.pad(segment_ids[:, 1:] != segment_ids[:, :-1], (1, 0), value=True)
        first = torch.where(begins, place, torch.zeros_like(place)).cummax(dim=1).values
        inputs["position_ids"] = (
            place - first + (config.pad_token_id + 1 if config.model_type in POSITIONS_AFTER_PADDING else 0)
        )
    if type_ids is not None:
        inputs["token_type_ids"] = type_ids
    output = model.base_model(**inputs)
    return (output.last_hidden_state, output.pooler_output) if pooled else output.last_hidden_state


def head(model: Any, hidden: Tensor) -> Tensor:
    """Logits (places, vocabulary) in float32 of the hidden states (places, hidden)."""
    match model.config.model_type:
        case "modernbert":
            logits = model.decoder(model.head(hidden))
        case "roberta" | "camembert" | "xlm-roberta" | "mpnet":
            logits = model.lm_head(hidden)
        case "distilbert":
            inner = model.activation(model.vocab_transform(hidden))
            logits = model.vocab_projector(model.vocab_layer_norm(inner))
        case "albert":
            logits = model.predictions(hidden)
        case "electra":
            logits = model.generator_lm_head(model.generator_predictions(hidden))
        case "convbert":
            logits = model.generator_lm_head(model.generator_predictions(hidden))
        case "deberta-v2" if not model.config.legacy:
            logits = model.lm_predictions(hidden, model.deberta.embeddings.word_embeddings)
        case _:
            predictions = model.cls.predictions if hasattr(model.cls, "predictions") else model.cls
            logits = predictions(hidden)
    float_logits: Tensor = logits.float()
    return float_logits


def depth(config: Any) -> int:
    """Layers of a model."""
    return int(config.num_hidden_layers)
