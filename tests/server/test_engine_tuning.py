"""The engine is chosen by a measurement on the first texts of clients, once, and where there is something to choose."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from served import PHRASE, Service

from fillmask.server.worker import engine_tuning
from fillmask.server.worker.engine_tuning import MEASURED_MASKS, EngineTuning
from fillmask.server.worker.measure_engines import MeasurementRequest
from fillmask.tokenization.masked_input import MaskedInput

_MODEL = {"model": "m", "engine": "auto", "precision": "auto", "device": None, "threads": 1}
_ITEM = MaskedInput([1, 2, 3], [0, 0, 0], [0, 1])


def tuned(model: dict[str, Any], measure: Callable[[MeasurementRequest], Any], rounds: int) -> tuple[list[MeasurementRequest], list[dict[str, Any]]]:  # fmt: skip
    """What was measured and what was switched to, when so many texts of two masks arrive."""
    requests: list[MeasurementRequest] = []
    switches: list[dict[str, Any]] = []

    async def fake(request: MeasurementRequest) -> Any:
        requests.append(request)
        return measure(request)

    async def switch(settings: dict[str, Any]) -> None:
        switches.append(settings)

    async def main() -> None:
        tuning = EngineTuning(model, switch)
        for _ in range(rounds):
            tuning.observe([_ITEM])
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        await tuning.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine_tuning, "_measure", fake)
        asyncio.run(main())
    return requests, switches


def _selection(_: MeasurementRequest) -> dict[str, Any]:
    return {"engine": "openvino", "precision": "bfloat16", "threads": 1, "callers": 1, "reason": "fast"}


def test_it_measures_once_there_are_enough_masks() -> None:
    requests, switches = tuned(_MODEL, _selection, MEASURED_MASKS)
    assert [len(request.items) for request in requests] == [MEASURED_MASKS // 2]
    assert switches == [{**_MODEL, "engine": "openvino", "precision": "bfloat16"}]
    assert tuned(_MODEL, _selection, MEASURED_MASKS // 2 - 1) == ([], [])


def test_nothing_is_measured_where_all_is_fixed() -> None:
    fixed = {**_MODEL, "engine": "onnxruntime", "precision": "float32"}
    assert tuned(fixed, _selection, MEASURED_MASKS) == ([], [])


def test_a_measurement_that_fails_changes_nothing() -> None:
    def fail(_: MeasurementRequest) -> Any:
        raise ValueError("exit code 9")

    requests, switches = tuned(_MODEL, fail, MEASURED_MASKS)
    assert (len(requests), switches) == (1, [])


def test_a_service_measures_and_goes_on(serve: Callable[..., Service]) -> None:
    service = serve("--measure")
    first = service.worker()
    with service.client() as client:
        for number in range(9):
            inputs = [f"{'The old dog went early. ' * (number % 4)}{PHRASE}"] * 128
            assert client.post("/v1/fill-mask", json={"inputs": inputs, "parameters": {"top_k": 1}}).status_code == 200
        before = client.post("/v1/fill-mask", json={"inputs": PHRASE}).json()
        event = service.event("engines measured", seconds=120)
        assert "masks" in event["reason"]
        info = client.get("/info").json()
        if (event["engine"], event["precision"]) != (info["engine"], info["precision"]):
            assert service.worker(2) != first
            info = client.get("/info").json()
        assert (info["engine"], info["precision"]) == (event["engine"], event["precision"])
        after = client.post("/v1/fill-mask", json={"inputs": PHRASE}).json()
    assert after[0]["token"] == before[0]["token"]
    assert PHRASE not in json.dumps(service.log)
    assert service.metric("fillmask_model_process_restarts_total") == 0
