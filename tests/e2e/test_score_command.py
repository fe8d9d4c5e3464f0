"""`fillmask score` in a process of its own."""

import json
from pathlib import Path

import pytest
from test_cli import one_line, run

TEXTS = b"I am going to the bakery.\n\nI am bakery to the going.\r\n"


def test_plain_lines_when_piped() -> None:
    found = run("score", "-", stdin=TEXTS)
    assert (found.returncode, found.stderr) == (0, b"")
    rows = [line.split("\t") for line in found.stdout.decode().splitlines()]
    assert [row[2] for row in rows] == ["I am going to the bakery.", "I am bakery to the going."]
    assert float(rows[0][0]) > float(rows[1][0])
    assert float(rows[0][1]) < float(rows[1][1])


def test_json_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_bytes(TEXTS)
    scores = [json.loads(line) for line in run("score", "--json", str(path)).stdout.splitlines()]
    assert [list(score) for score in scores] == [["text", "score", "tokens", "pseudo_perplexity", "words"]] * 2
    assert [word["word"] for word in scores[0]["words"]] == ["I", "am", "going", "to", "the", "bakery", "."]
    assert sum(word["score"] for word in scores[0]["words"]) == pytest.approx(scores[0]["score"])


def test_a_byte_order_mark_is_not_scored(tmp_path: Path) -> None:
    (tmp_path / "marked.txt").write_bytes(b"\xef\xbb\xbfThe first text.\n")
    found = run("score", "--json", str(tmp_path / "marked.txt"))
    assert json.loads(found.stdout)["text"] == "The first text."


def test_methods() -> None:
    text = "Unbelievably, incomprehensibility."
    found = {
        method: run("score", "--method", method, "-t", text).stdout for method in ("word-l2r", "original", "whole-word")
    }
    assert len(set(found.values())) == 3


def test_bad_rows_are_listed_and_the_others_scored() -> None:
    found = run("score", "--json", "-", stdin=b"one\na <mask>\nthree\nfour <mask>\nfive")
    assert found.returncode == 3
    assert [json.loads(line)["text"] for line in found.stdout.splitlines()] == ["one", "three", "five"]
    first, second = found.stderr.decode().splitlines()
    assert first == "fillmask: text 2: the text has a <mask> in it; only a whole text can be scored"
    assert second.startswith("fillmask: text 4: ")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("score",), 2, "expected a FILE (- for stdin) or --text, not both"),
        (("score", "-", "-t", "a"), 2, "not both"),
        (("score", "nowhere.txt"), 2, "nowhere.txt"),
        (("score", "-"), 1, "there is no text to score"),
        (("score", "-t", "a <mask>"), 1, "the text has a <mask> in it"),
        (("score", "-t", "I [MASK] you"), 1, "the text has a [MASK] in it"),
        (("score", "-t", "word " * 600), 1, "score it in parts, or ask for a window"),
    ],
)
def test_errors_are_one_line(arguments: tuple[str, ...], code: int, message: str) -> None:
    found = run(*arguments)
    assert (found.returncode, found.stdout) == (code, b"")
    assert message in one_line(found.stderr)


def test_bytes_that_are_not_utf8_are_named() -> None:
    found = run("score", "-", stdin=b"one\n\xff bad text\nthree\n")
    assert found.returncode == 3
    assert [line.split(b"\t")[2] for line in found.stdout.splitlines()] == [b"one", b"three"]
    assert "text 2: line 2 is not UTF-8: byte 0xff at 0" in one_line(found.stderr)
