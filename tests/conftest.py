"""Fixtures for every test: tiny checkpoints, and a cache that is not the user's."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from tiny import write_modernbert, write_roberta

# How long an example takes says more of what else the machine has to do than of what is tested.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FILLMASK_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def modernbert_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny ModernBERT checkpoint; copy it before changing it."""
    return write_modernbert(tmp_path_factory.mktemp("modernbert"))


@pytest.fixture(scope="session")
def roberta_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny RoBERTa checkpoint; copy it before changing it."""
    return write_roberta(tmp_path_factory.mktemp("roberta"))
