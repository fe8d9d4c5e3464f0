"""The bodies of requests and answers, as OpenAPI shows them and pydantic checks them.

Types are strict: `"5"` is not 5, and an unknown key is an error. How large a
value may be is for `Limits` to say, not for the types.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from fillmask.choices import DecodingStrategy, EditionFormat, LabelFunction, LongTextMode, Notation, ScoringMethod

MASK_PATTERN = r"<mask>|\[MASK\]"
MaskedString = Annotated[
    str, Field(min_length=1, description="A text with `<mask>` or `[MASK]` where a word is missing.")
]
HoleNumber = Annotated[str, Field(pattern=r"^[0-9]{1,4}$")]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Answer(BaseModel):
    """Only described: answers are written as they come from the model process."""


class FillMaskParameters(_Request):
    top_k: int | None = Field(default=None, ge=1, description="Answers for each mask; 5 by default.")
    targets: str | list[str] | None = Field(default=None, description="Choose among these words only.")
    long_text: LongTextMode | None = Field(
        default=None, description="A text longer than the model: refuse it, or read each mask in the stretch round it."
    )


class FillMaskRequest(_Request):
    inputs: MaskedString | list[MaskedString]
    parameters: FillMaskParameters | None = None
    options: dict[str, Any] | None = Field(
        default=None, description="Accepted for older clients' sake, without effect."
    )


class CandidateSchema(_Answer):
    score: float
    token: int
    token_str: str
    sequence: str


class ScoreParameters(_Request):
    method: ScoringMethod | None = Field(
        default=None,
        description="What is hidden with a token: the later tokens of its word (the default), nothing, or all of its word.",
    )


class ScoreRequest(_Request):
    inputs: str | list[str]
    parameters: ScoreParameters | None = None


class WordScoreSchema(_Answer):
    word: str
    start: int
    end: int
    score: float
    tokens: int


class ScoreSchema(_Answer):
    text: str
    score: float
    tokens: int
    pseudo_perplexity: float
    words: list[WordScoreSchema]


class ClassifyParameters(_Request):
    top_k: int | None = Field(default=None, ge=1, description="Labels of each text, best first; all by default.")
    function_to_apply: LabelFunction | None = Field(
        default=None, description="What makes scores of logits; as the model's config says by default."
    )


class ClassifyRequest(_Request):
    inputs: str | list[str]
    parameters: ClassifyParameters | None = None


class LabelSchema(_Answer):
    label: str
    score: float


class RestoreParameters(_Request):
    notation: Notation | None = None
    keep_ellipses: bool | None = Field(default=None, description="Whether a bare … is part of the text and no hole.")
    strategy: DecodingStrategy | None = None
    readings: int | None = Field(default=None, ge=1, description="Readings of each hole; 10 by default.")
    locked: dict[HoleNumber, str] | None = Field(
        default=None, description="Readings that are given, by the number of the hole."
    )
    targets: dict[HoleNumber, list[str]] | None = Field(
        default=None, description="Choose among these, by the number of the hole."
    )
    evidence: bool | None = Field(default=None, description="Say which words of the context mattered.")
    formats: list[EditionFormat] | None = Field(default=None, description="Documents to make of the restoration.")


class RestoreRequest(_Request):
    inputs: str
    parameters: RestoreParameters | None = None
    stream: bool = Field(default=False, description="Send progress while it lasts, as server-sent events.")


class ReadingSchema(_Answer):
    text: str
    probability: float


class EvidenceSchema(_Answer):
    word: str
    start: int
    end: int
    weight: float


class GapSchema(_Answer):
    index: int
    start: int
    end: int
    source: str
    line: int
    column: int
    readings: list[ReadingSchema]
    none_of_these: float
    locked: bool
    evidence: list[EvidenceSchema]


class HypothesisSchema(_Answer):
    text: str
    readings: list[str]
    score: float
    probability: float = Field(
        description="That all of its readings are right: their probabilities multiplied, as if holes were independent."
    )


class CostSchema(_Answer):
    forward_passes: int
    rows: int
    seconds: float


class RestorationSchema(_Answer):
    text: str
    source: str
    notation: str
    strategy: str
    gaps: list[GapSchema]
    hypotheses: list[HypothesisSchema]
    confidence: float
    complete: bool
    cost: CostSchema
    calibrated: bool = Field(description="Whether the probabilities were fitted for this model and strategy.")


class RestoredSchema(_Answer):
    restoration: RestorationSchema
    documents: dict[str, str]


class InfoSchema(_Answer):
    model: str
    revision: str | None
    engine: str | None
    precision: str | None
    version: str
    tasks: list[str]
    longest_text_tokens: int
    vocabulary: int
    limits: dict[str, int]


class HealthSchema(_Answer):
    status: Literal["live", "ready"]


class ErrorBody(_Answer):
    error: str
    error_type: str
    request_id: str
