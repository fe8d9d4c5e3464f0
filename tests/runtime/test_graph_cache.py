"""The graph cache: used, rebuilt when damaged, and never needed."""

from pathlib import Path

import pytest

from fillmask import FillMask
from fillmask.models import encoders
from fillmask.models.checkpoint import open_checkpoint
from fillmask.runtime.graph_cache import cached_graph, graph_key

TEXT = "a <mask> of the town"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FILLMASK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_second_start_reads_the_graph(modernbert_folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = FillMask(modernbert_folder)(TEXT)
    assert len(list((cache / "graphs").iterdir())) == 1

    def fail(*_: object) -> None:
        raise AssertionError("the graph was built again")

    monkeypatch.setattr(encoders, "build", fail)
    assert FillMask(modernbert_folder)(TEXT) == first


def test_a_damaged_graph_is_built_again(modernbert_folder: Path, cache: Path) -> None:
    first = FillMask(modernbert_folder)(TEXT)
    (path,) = (cache / "graphs").iterdir()
    whole = path.read_bytes()
    for damaged in (b"", whole[:100], whole[:-1], whole[:50] + b"?" + whole[51:]):
        path.write_bytes(damaged)
        assert FillMask(modernbert_folder)(TEXT) == first
        assert path.read_bytes() == whole


def test_no_cache_is_needed(modernbert_folder: Path, cache: Path) -> None:
    """A file stands where the cache folder should be: nothing can be written, for root neither."""
    cache.write_text("not a folder")
    assert FillMask(modernbert_folder)(TEXT)


def test_the_key_follows_config_and_layout_not_values(modernbert_folder: Path, roberta_folder: Path) -> None:
    keys = {graph_key(open_checkpoint(folder)) for folder in (modernbert_folder, modernbert_folder, roberta_folder)}
    assert len(keys) == 2
    checkpoint = open_checkpoint(modernbert_folder)
    assert cached_graph(checkpoint).references
