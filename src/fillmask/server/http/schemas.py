"""The bodies of requests and answers, as OpenAPI shows them and pydantic checks them.

Types are strict: `"5"` is not 5, and an unknown key is an error. How large a
value may be is for `Limits` to say, not for the types.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fillmask.choices import DecodingStrategy, EditionFormat, LabelFunction, LongTextMode, Notation, ScoringMethod
from fillmask.server.errors import ApiError

MASK_PATTERN = r"<mask>|\[MASK\]"
MaskedString = Annotated[
    str, Field(min_length=1, description="A text with `<mask>` or `[MASK]` where a word is missing.")
]
# Of a long list of wrong values one is enough to say.
Texts = Annotated[list[str], Field(fail_fast=True)]
HoleNumber = Annotated[str, Field(pattern=r"^[0-9]{1,4}$")]

_Model = TypeVar("_Model", bound="RequestBody")
_UNION_NAMES = ("str", "constrained-str")
_SHOWN_ERRORS = 3
_LISTED_ERRORS = 50


class RequestBody(BaseModel):
    """A body, or a part of one."""

    model_config = ConfigDict(extra="forbid", strict=True)


class _Answer(BaseModel):
    """Only described: answers are written as they come from the model process."""


class FillMaskParameters(RequestBody):
    top_k: int | None = Field(default=None, ge=1, description="Answers for each mask; 5 by default.")
    targets: str | Texts | None = Field(default=None, description="Choose among these words only.")
    long_text: LongTextMode | None = Field(
        default=None, description="A text longer than the model: refuse it, or read each mask in the stretch round it."
    )


class FillMaskRequest(RequestBody):
    inputs: MaskedString | Annotated[list[MaskedString], Field(fail_fast=True)]
    parameters: FillMaskParameters | None = None
    options: dict[str, Any] | None = Field(
        default=None, description="Accepted for older clients' sake, without effect."
    )


class CandidateSchema(_Answer):
    score: float
    token: int
    token_str: str
    sequence: str


class ScoreParameters(RequestBody):
    method: ScoringMethod | None = Field(
        default=None,
        description="What is hidden with a token: the later tokens of its word (the default), nothing, or all of its word.",
    )


class ScoreRequest(RequestBody):
    inputs: str | Texts
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


class ClassifyParameters(RequestBody):
    top_k: int | None = Field(default=None, ge=1, description="Labels of each text, best first; all by default.")
    function_to_apply: LabelFunction | None = Field(
        default=None, description="What makes scores of logits; as the model's config says by default."
    )


class ClassifyRequest(RequestBody):
    inputs: str | Texts
    parameters: ClassifyParameters | None = None


class LabelSchema(_Answer):
    label: str
    score: float


class RestoreParameters(RequestBody):
    notation: Notation | None = None
    keep_ellipses: bool | None = Field(default=None, description="Whether a bare … is part of the text and no hole.")
    strategy: DecodingStrategy | None = None
    readings: int | None = Field(default=None, ge=1, description="Readings of each hole; 10 by default.")
    locked: dict[HoleNumber, str] | None = Field(
        default=None, description="Readings that are given, by the number of the hole."
    )
    targets: dict[HoleNumber, Texts] | None = Field(
        default=None, description="Choose among these, by the number of the hole."
    )
    evidence: bool | None = Field(default=None, description="Say which words of the context mattered.")
    formats: Annotated[list[EditionFormat], Field(fail_fast=True)] | None = Field(
        default=None, description="Documents to make of the restoration."
    )


class RestoreRequest(RequestBody):
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
    remarks: list[str] = Field(
        description="What a reader should know of the whole, such as that it is in another language."
    )


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


def validated(model: type[_Model], value: Any) -> _Model:
    """A body that fits its schema.

    Raises:
        ApiError: it does not; the message names the first few places, and nothing of the request's values.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise ApiError("invalid_request", _message(error)) from None


def _message(error: ValidationError) -> str:
    count = error.error_count()
    if count > _LISTED_ERRORS:  # listing thousands of them would take as long as a batch
        return f"the body does not fit the schema in {count:,} places; see /docs"
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    messages = []
    for problem in problems[:_SHOWN_ERRORS]:
        # Without the names that pydantic gives to the types of a union.
        parts = [str(part) for part in problem["loc"][:7]]
        place = ".".join(part for part in parts if part not in _UNION_NAMES and "[" not in part) or "the body"
        messages.append(f"{ascii(place[:100])[1:-1]}: {problem['msg'][:200]}")
    rest = count - len(messages)
    return "; ".join(messages) + (f"; and {rest} more" if rest else "")
