"""Tokenizers of each kind are read alike by transformers and by fillmask."""

import contextlib
import io
import subprocess
import sys
from pathlib import Path

import pytest

transformers = pytest.importorskip("transformers", reason="the comparison needs the train extra")

from fillmask.cli import run
from fillmask.tokenization.tokenizer import load_tokenizer
from fillmask.training.tokenizer import KINDS

TEXTS = (
    "The quick brown fox — naïve, isn't it?",
    "jumps over 13 lazy dogs",
    "  two  spaces\tand a tab",
    "unseen: żółw 😀",
)


@pytest.mark.parametrize("lowercase", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_the_command_writes_what_both_read(tmp_path: Path, kind: str, lowercase: bool) -> None:
    (tmp_path / "text.txt").write_text(
        "\n\n".join(f"The quick brown fox jumps over {n} lazy dogs, isn't it?" for n in range(300))
    )
    command = [
        sys.executable,
        "-m",
        "fillmask.cli",
        "train",
        "tokenizer",
        str(tmp_path / "text.txt"),
        "-o",
        str(tmp_path / "out"),
    ]
    size = "300" if kind == "bpe" else "60"
    done = subprocess.run(
        [*command, "--kind", kind, "--vocab-size", size, *(["--lowercase"] if lowercase else [])],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    ours = load_tokenizer(tmp_path / "out", longest=512)
    assert theirs.mask_token_id == ours.mask_token_id
    assert theirs.pad_token_id == ours.pad_token_id
    assert theirs.model_max_length == ours.model_max_length == 512
    for text in (*TEXTS, f"The quick {ours.mask_token} fox"):
        assert theirs(text).input_ids == ours.encode(text)
        assert theirs.decode(ours.encode(text)) == ours.decode(ours.encode(text))
    if lowercase:
        assert ours.encode("The FOX") == ours.encode("the fox")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.txt", "", "no text in empty.txt; expected"),
        ("blank.txt", "\n \n", "no text in blank.txt; expected"),
        ("rows.jsonl", '{"body": 1}\n', "no text in rows.jsonl (1 row could not be used); expected"),
    ],
)
def test_nothing_is_learned_from_nothing(kind: str, name: str, content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with contextlib.redirect_stderr(io.StringIO()) as told:
        code = run(["train", "tokenizer", str(tmp_path / name), "-o", str(tmp_path / "out"), "--kind", kind])
    assert code == 1
    assert said in told.getvalue().splitlines()[-1]
    assert not (tmp_path / "out").exists()
