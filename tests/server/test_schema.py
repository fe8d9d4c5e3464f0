"""The service keeps to its own OpenAPI description, whatever arrives: some hundred cases; `make soak` runs thousands."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from served import Service

pytest.importorskip("schemathesis", reason="needs schemathesis: pip install schemathesis")
sys.path.append(str(Path(__file__).parents[1] / "soak"))

from api_fuzzing import fuzz


def test_the_description_holds(service: Service) -> None:
    found = fuzz(service.url, cases=80)
    assert found.cases >= 200
    assert not found.failures, "\n".join(found.failures)
    assert not any(status >= 500 for status in found.statuses)
    assert {200, 422} <= set(found.statuses), "the cases reach neither the model nor the checks"
