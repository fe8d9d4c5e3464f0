"""Which files of a repository a model needs, and what is said of a hub that cannot be asked."""

import pytest

from fillmask.models.hub import HubName, _fault, needed_files, parse


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["config.json", "model.safetensors", "tokenizer.json"], ["config.json", "model.safetensors", "tokenizer.json"]),
        (
            ["config.json", "model.safetensors", "tokenizer.json", "vocab.txt", "tf_model.h5", "tokenizer_config.json"],
            ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"],
        ),
        (["model.safetensors", "vocab.json", "merges.txt"], ["config.json", "model.safetensors", "vocab.json", "merges.txt"]),
        (
            ["model.safetensors.index.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "vocab.txt"],
            ["config.json", "model.safetensors.index.json", "model-00001-of-00002.safetensors",
             "model-00002-of-00002.safetensors", "vocab.txt"],
        ),
        ([], ["config.json", "model.safetensors"]),
    ],
)  # fmt: skip
def test_needed_files(names: list[str], expected: list[str]) -> None:
    assert needed_files(names) == expected


def test_a_hub_that_does_not_answer_in_time() -> None:
    error = FileNotFoundError("An error happened while trying to locate the files")
    error.__cause__ = TimeoutError("timed out")
    assert _fault(error) == "the hub does not answer in time"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bert-base-cased", HubName("bert-base-cased")),
        ("someone/tiny@v1.0", HubName("someone/tiny", "v1.0")),
        ("someone/tiny@refs/pr/1", HubName("someone/tiny", "refs/pr/1")),
        ("./folder", None),
        ("a/b/c", None),
        ("", None),
    ],
)
def test_parse(text: str, expected: HubName | None) -> None:
    assert parse(text) == expected
