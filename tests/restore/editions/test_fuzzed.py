"""Two thousand random and mutated documents: each is read and written, or refused by its place. `fuzzing.py` does more."""

from fuzzing import fuzz


def test_two_thousand_documents() -> None:
    found = fuzz(2000, seed=1)
    assert sum(found.values()) == 2000
    assert min(found[kind] for kind in ("plain", "leiden", "tei", "refused")) > 100
