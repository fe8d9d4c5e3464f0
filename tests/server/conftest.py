"""Services over a toy model, on free ports of the loopback address."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the serve extra: pip install 'fillmask[serve]'")
httpx = pytest.importorskip("httpx", reason="needs httpx: pip install httpx")

from served import Service


@pytest.fixture(scope="session")
def service(modernbert_folder: Path) -> Iterator[Service]:
    """A service that tests share and leave as they found it."""
    running = Service("--model", str(modernbert_folder))
    running.worker()
    yield running
    running.end()


@pytest.fixture
def serve(modernbert_folder: Path) -> Iterator[Callable[..., Service]]:
    """Starts services of a test's own."""
    started: list[Service] = []

    def start(*arguments: str, **environment: str) -> Service:
        started.append(Service("--model", str(modernbert_folder), *arguments, **environment))
        return started[-1]

    yield start
    for one in started:
        one.end()


@pytest.fixture
def client(service: Service) -> Iterator[httpx.Client]:
    with service.client() as one:
        yield one
