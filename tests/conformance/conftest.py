"""Checkpoints of three tokenizers, each opened by both libraries."""

from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="conformance is held against transformers, which the train extra brings")

import transformers
from pipelines import Both, write_bert
from tiny import write_modernbert, write_roberta

import fillmask

WRITERS: dict[str, Callable[[Path], Path]] = {
    "roberta": write_roberta,
    "modernbert": write_modernbert,
    "bert": write_bert,
}


@pytest.fixture(scope="session", params=list(WRITERS))
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Both:
    folder = WRITERS[request.param](tmp_path_factory.mktemp(request.param))
    theirs = transformers.pipeline("fill-mask", model=str(folder), device="cpu")
    return Both(folder, fillmask.pipeline("fill-mask", model=folder), theirs)
