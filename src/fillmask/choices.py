"""The fixed choices that the library, the commands, and the service share, each written once.

Imports only `typing`, so that `--help` and a schema cost nothing. It knows the
names of the choices, not what they do.
"""

from __future__ import annotations

from typing import Literal, get_args

EngineName = Literal["auto", "onnxruntime", "openvino", "torch"]
Precision = Literal["auto", "float32", "bfloat16", "int8"]
LongTextMode = Literal["error", "window"]
ScoringMethod = Literal["word-l2r", "original", "whole-word"]
MarginalConvention = Literal["masked", "wild-type"]
LabelFunction = Literal["softmax", "sigmoid", "none"]
Notation = Literal["auto", "plain", "leiden", "tei", "page", "alto", "hocr"]
DecodingStrategy = Literal["joint", "independent", "left-to-right"]
EditionFormat = Literal["text", "json", "markdown", "tei", "html", "ocr"]
BatchTask = Literal["fill", "restore", "correct", "score", "marginals", "classify"]
InputFormat = Literal["text", "csv", "tsv", "jsonl", "parquet"]
ShardFormat = Literal["parquet", "jsonl"]
EvaluationTask = Literal["masked", "pseudo-perplexity", "blimp", "restoration"]

ENGINES: tuple[str, ...] = get_args(EngineName)
PRECISIONS: tuple[str, ...] = get_args(Precision)
# The precisions that each engine has, beside "auto".
ENGINE_PRECISIONS: dict[str, tuple[str, ...]] = {
    "onnxruntime": ("float32", "int8"),
    "openvino": ("float32", "bfloat16", "int8"),
    "torch": ("float32", "bfloat16"),
}
LONG_TEXT_MODES: tuple[str, ...] = get_args(LongTextMode)
SCORING_METHODS: tuple[str, ...] = get_args(ScoringMethod)
MARGINAL_CONVENTIONS: tuple[str, ...] = get_args(MarginalConvention)
LABEL_FUNCTIONS: tuple[str, ...] = get_args(LabelFunction)
NOTATIONS: tuple[str, ...] = get_args(Notation)
STRATEGIES: tuple[str, ...] = get_args(DecodingStrategy)
EDITION_FORMATS: tuple[str, ...] = get_args(EditionFormat)
BATCH_TASKS: tuple[str, ...] = get_args(BatchTask)
INPUT_FORMATS: tuple[str, ...] = get_args(InputFormat)
SHARD_FORMATS: tuple[str, ...] = get_args(ShardFormat)
EVALUATION_TASKS: tuple[str, ...] = get_args(EvaluationTask)

# From which probability on a correction changes a word: chosen on validation text (docs/log/decoder.md).
MIN_CORRECTION_PROBABILITY = 0.6
