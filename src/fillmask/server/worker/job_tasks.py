"""The jobs of a model process: score, restore and classify, each from a checked request to a JSON answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fillmask.errors import InputError
from fillmask.runtime.masked_lm import MaskedLM
from fillmask.server.errors import LimitError
from fillmask.server.limits import Limits
from fillmask.tasks.score import score_texts

if TYPE_CHECKING:
    from fillmask.tasks.classify import Classifier

Report = Callable[[int, int, int], None]


def score_job(model: MaskedLM, request: dict[str, Any]) -> bytes:
    """Pseudo-log-likelihoods of texts."""
    scores = []
    for score in score_texts(model, request["inputs"], method=request["method"]):
        values = asdict(score)
        words = values.pop("words")
        scores.append({**values, "pseudo_perplexity": score.pseudo_perplexity, "words": words})
    return _json(scores if request["many"] else scores[0])


def restore_job(
    model: MaskedLM, request: dict[str, Any], limits: Limits, report: Report, cancelled: Callable[[], bool]
) -> bytes:
    """A restoration and the editions asked for."""
    from fillmask.restore import RestoreOptions, parse_source, restore_document
    from fillmask.restore.editions import render

    arguments = dict(request)
    source, formats = arguments.pop("inputs"), arguments.pop("formats")
    options = RestoreOptions(**arguments)
    document = parse_source(source, options)
    holes = len(document.damaged.holes)
    if holes > limits.max_holes:
        raise LimitError("max_holes", limits.max_holes, f"the document has {holes:,} holes")
    for name in ("locked", "targets"):
        outside = [number for number in request[name] or () if not 0 <= number < holes]
        if outside:
            raise InputError(f"{name} names hole {outside[0]}; the document has {holes}, numbered from 0")
    restoration = restore_document(
        model,
        document,
        options,
        on_progress=lambda progress: report(progress.done, progress.holes, progress.forward_passes),
        cancelled=cancelled,
    )
    documents = {name: render(restoration, name) for name in formats}
    return _json({"restoration": restoration.to_dict(), "documents": documents})


def classify_job(classifier: Classifier, request: dict[str, Any]) -> bytes:
    """Labels of texts, a list for each: the inference API nests them for a single text too."""
    return _json(classifier(request["inputs"], top_k=request["top_k"], function_to_apply=request["function_to_apply"]))


def _json(answer: Any) -> bytes:
    return json.dumps(answer, ensure_ascii=False, allow_nan=False).encode()
