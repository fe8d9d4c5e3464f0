"""What people use instead: transformers' pipeline on PyTorch, and the same pipeline on exported graphs, as Optimum runs it.

Optimum (ORTModelForMaskedLM, OVModelForMaskedLM) exports the whole model,
logits for every token included, and puts it behind transformers' pipeline.
Its releases do not install beside the transformers that is compared with here,
so `on_onnxruntime` and `on_openvino` do the same: the exported graph takes the
place of the model's forward, all else is transformers' own.
"""

from __future__ import annotations

import logging
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from transformers import AutoModelForMaskedLM, AutoTokenizer, PreTrainedModel
from transformers.modeling_outputs import MaskedLMOutput

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()


def on_torch(
    folder: Path, *, dtype: torch.dtype = torch.float32, attention: str = "sdpa", compile: bool = False
) -> Any:
    """transformers' pipeline as it comes."""
    pipe = _pipeline(_model(folder, dtype=dtype, attention=attention), folder)
    if compile:
        pipe.model.forward = torch.compile(pipe.model.forward, dynamic=True)
    return pipe


def on_onnxruntime(folder: Path, graph: Path) -> Any:
    """transformers' pipeline on an exported graph in onnxruntime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    return _replaced(folder, lambda feeds: session.run(None, feeds)[0])


def on_openvino(folder: Path, graph: Path, precision: str) -> Any:
    """transformers' pipeline on an exported graph in OpenVINO; int8 by nncf's weight compression, as Optimum's `load_in_8bit`."""
    import openvino

    core = openvino.Core()
    model = core.read_model(graph)
    hint = {"float32": openvino.Type.f32, "bfloat16": openvino.Type.bf16, "int8": openvino.Type.f32}[precision]
    if precision == "int8":
        import nncf

        logging.getLogger("nncf").setLevel(logging.ERROR)
        model = nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_ASYM)
    # No performance hint: the plugin's default, which is for latency, is what Optimum sets.
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY"})
    return _replaced(folder, lambda feeds: compiled(feeds)[0])


def export(folder: Path, into: Path) -> Path:
    """The whole model as an ONNX graph: ids and attention mask to logits (B, T, V)."""
    # With padding in it, or the mask is traced away.
    ids = torch.full((2, 16), 5)
    attention = torch.ones_like(ids)
    attention[1, 12:] = 0
    axes = {name: {0: "batch", 1: "length"} for name in ("input_ids", "attention_mask", "logits")}
    path = into / "model.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Logits(folder), (ids, attention), str(path), input_names=["input_ids", "attention_mask"], output_names=["logits"],
            dynamic_axes=axes, opset_version=18, dynamo=False,
        )  # fmt: skip
    return path


class _Logits(torch.nn.Module):
    """A model that returns its logits and nothing else."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.model = _model(folder, attention="eager")

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits


def fused(graph: Path, config: Any) -> Path:
    """onnxruntime's own transformer optimizer on it (attention, GELU and skip connections as single nodes), as ORTOptimizer does."""
    from onnxruntime.transformers import optimizer

    path = graph.with_name("fused.onnx")
    found = optimizer.optimize_model(
        str(graph), model_type="bert", num_heads=config.num_attention_heads, hidden_size=config.hidden_size, opt_level=0
    )
    found.save_model_to_file(str(path))
    return path


def quantized(graph: Path) -> Path:
    """int8 weights and dynamic activations by onnxruntime's quantizer, as ORTQuantizer does."""
    from onnxruntime.quantization import quantize_dynamic

    path = graph.with_name("int8.onnx")
    logging.disable(logging.WARNING)
    quantize_dynamic(str(graph), str(path))
    logging.disable(logging.NOTSET)
    return path


def _model(folder: Path, *, dtype: torch.dtype = torch.float32, attention: str = "sdpa") -> PreTrainedModel:
    return AutoModelForMaskedLM.from_pretrained(folder, dtype=dtype, attn_implementation=attention).eval()


def _pipeline(model: PreTrainedModel, folder: Path) -> Any:
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    return transformers.pipeline(
        "fill-mask", model=model, tokenizer=AutoTokenizer.from_pretrained(folder), device="cpu"
    )


def _replaced(folder: Path, run: Any) -> Any:
    model = _model(folder)

    def forward(input_ids: torch.Tensor, attention_mask: torch.Tensor, **_: Any) -> MaskedLMOutput:
        logits = run({"input_ids": input_ids.numpy(), "attention_mask": attention_mask.numpy()})
        return MaskedLMOutput(logits=torch.from_numpy(np.asarray(logits)))

    model.forward = forward
    return _pipeline(model, folder)
