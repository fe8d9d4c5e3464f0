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


def score(model: MaskedLM, request: dict[str, Any]) -> bytes:
    """Pseudo-log-likelihoods of texts."""
    found = []
    for text in score_texts(model, request["inputs"], method=request["method"]):
        shown = asdict(text)
        words = shown.pop("words")
        found.append({**shown, "pseudo_perplexity": text.pseudo_perplexity, "words": words})
    return _json(found if request["many"] else found[0])


def restore(
    model: MaskedLM, request: dict[str, Any], limits: Limits, report: Report, cancelled: Callable[[], bool]
) -> bytes:
    """A restoration and the editions asked for."""
    from fillmask.restore import restore as restored
    from fillmask.restore.editions import render
    from fillmask.restore.notation import parse

    source, formats = request["inputs"], request.pop("formats")
    notation, keep_ellipses = request["notation"], request["keep_ellipses"]
    holes = len(parse(source, notation=notation, keep_ellipses=keep_ellipses).damaged.holes)
    if holes > limits.max_holes:
        raise LimitError("max_holes", limits.max_holes, f"the document has {holes:,} holes")
    for name in ("locked", "targets"):
        outside = [number for number in request[name] or () if not 0 <= number < holes]
        if outside:
            raise InputError(f"{name} names hole {outside[0]}; the document has {holes}, numbered from 0")
    del request["inputs"]
    found = restored(
        model,
        source,
        **request,
        on_progress=lambda progress: report(progress.done, progress.holes, progress.forward_passes),
        cancelled=cancelled,
    )
    return _json({"restoration": found.to_dict(), "documents": {name: render(found, name) for name in formats}})


def classify(classifier: Classifier, request: dict[str, Any]) -> bytes:
    """Labels of texts, a list for each: the inference API nests them for a single text too."""
    return _json(classifier(request["inputs"], top_k=request["top_k"], function_to_apply=request["function_to_apply"]))


def _json(answer: Any) -> bytes:
    return json.dumps(answer, ensure_ascii=False, allow_nan=False).encode()
