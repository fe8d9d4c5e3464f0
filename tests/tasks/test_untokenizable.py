"""A text that the tokenizer cannot encode is an error of that text; the others are answered."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import write_modernbert
from tokenizers import Tokenizer as Backend
from tokenizers import models, pre_tokenizers, processors

from fillmask import FillMask
from fillmask.errors import InputError
from fillmask.restore import restore

PIECES = ["<s>", "<pad>", "</s>", "<mask>", "the", "cat", "dog"]
MODELS = {
    "WordPiece": lambda: models.WordPiece({piece: n for n, piece in enumerate(PIECES)}, unk_token="<none>"),
    "WordLevel": lambda: models.WordLevel({piece: n for n, piece in enumerate(PIECES)}, unk_token="<none>"),
    "Unigram": lambda: models.Unigram([(piece, -1.0) for piece in [*PIECES, *"thecadog"]]),
    "BPE": lambda: models.BPE({piece: n for n, piece in enumerate([*PIECES, *"thecadog"])}, [], unk_token="<none>"),
}
MESSAGE = (
    r"the tokenizer cannot encode 'zebra', since its vocabulary has no token for unknown text \(.*\); leave that out"
)


@pytest.fixture(params=list(MODELS))
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A model whose tokenizer has no unknown token."""
    write_modernbert(tmp_path)
    backend = Backend(MODELS[request.param]())
    backend.add_special_tokens(PIECES[:4])
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.BertProcessing(("</s>", 2), ("<s>", 0))
    backend.save(str(tmp_path / "tokenizer.json"))
    config = {"mask_token": "<mask>", "pad_token": "<pad>", "tokenizer_class": "PreTrainedTokenizerFast"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    return tmp_path


def test_the_library(folder: Path) -> None:
    unmask = FillMask(folder)
    with pytest.raises(InputError, match=MESSAGE + r".*\(text 2 of 2\)"):
        unmask(["the <mask>", "the zebra <mask>"])
    with pytest.raises(InputError, match=MESSAGE):
        unmask("the <mask>", tokenizer_kwargs={"truncation": True}, targets=["zebra"])
    with pytest.raises(InputError, match=MESSAGE):
        unmask.score("the zebra " + "the cat " * 500, long_text="window")
    with pytest.raises(InputError, match=MESSAGE):
        unmask.tokenizer(["the cat", "the zebra"])
    stream = unmask(iter(["the <mask>", "the zebra <mask>"]))
    assert len(next(stream)) == 5
    with pytest.raises(InputError, match=MESSAGE):
        next(stream)
    with pytest.raises(InputError):  # of this one, or of a kind of tokenizer that cannot be restored with
        restore(unmask.model, "the zebra and the [...]")


@pytest.mark.parametrize("command", ["fill", "score"])
def test_commands_answer_the_other_texts(folder: Path, command: str, tmp_path: Path) -> None:
    blank = " <mask>" if command == "fill" else ""
    texts = f"the cat{blank}\nthe zebra{blank}\nthe dog{blank}\n"
    finished = subprocess.run(
        [sys.executable, "-m", "fillmask", command, "-m", str(folder), "--json", "-"],
        input=texts, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert finished.returncode == 3
    assert [json.loads(line)["text"] for line in finished.stdout.splitlines()] == [f"the cat{blank}", f"the dog{blank}"]
    assert "fillmask: text 2: the tokenizer cannot encode 'zebra'" in finished.stderr
    assert "Traceback" not in finished.stderr


@pytest.mark.parametrize("task", ["fill", "score"])
def test_batch_jobs_reject_the_row(folder: Path, task: str, tmp_path: Path) -> None:
    blank = " <mask>" if task == "fill" else ""
    rows = tmp_path / "rows.txt"
    rows.write_text(f"the cat{blank}\nthe zebra{blank}\nthe dog{blank}\n")
    out = tmp_path / "out"
    finished = subprocess.run(
        [sys.executable, "-m", "fillmask", "batch", str(rows), str(out), "--task", task, "-m", str(folder), "--format", "jsonl"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert finished.returncode == 3, finished.stderr
    rejects = [json.loads(line) for path in out.glob("_rejects-*.jsonl") for line in path.read_text().splitlines()]
    assert [reject["line"] for reject in rejects] == [2]
    assert "cannot encode 'zebra'" in rejects[0]["reason"]
