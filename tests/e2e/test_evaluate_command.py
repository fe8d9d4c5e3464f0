"""`fillmask evaluate` in a process of its own."""

import json
from pathlib import Path

import pytest
from test_cli import one_line, run

from fillmask.bars import percent
from fillmask.cli import evaluate

TEXT = "The old man walked to the river.\nHe sat down on a stone.\n\nIt was late, and the shop was closed.\n"
PAIRS = [("The dogs run.", "The dogs runs.", "one"), ("She is here.", "She are here.", "one"), ("He sees it.", "He see it.", "two")]  # fmt: skip


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return path


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.jsonl"
    rows = [{"sentence_good": good, "sentence_bad": bad, "UID": uid, "linguistics_term": "subject_verb_agreement"} for good, bad, uid in PAIRS]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_masked(text: Path, tmp_path: Path) -> None:
    shown = run("evaluate", str(text))
    assert shown.returncode == 0, shown.stderr
    assert "top 1" in shown.stdout.decode()
    assert not set("█▌·") & set(shown.stdout.decode().splitlines()[0]), "a pipe gets no bars"
    found = json.loads(run("evaluate", str(text), "--json").stdout)
    assert found["task"] == "masked"
    assert found["model"] == "bundled"
    assert found["data"] == "text.txt"
    assert 0 <= found["top1"] <= found["top5"] <= 1
    piped = json.loads(run("evaluate", "-", "--json", stdin=TEXT.encode()).stdout)
    assert piped["masks"] == found["masks"]


def test_pseudo_perplexity(text: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out.json"
    shown = run("evaluate", str(text), "--task", "pseudo-perplexity", "-o", str(out))
    assert shown.returncode == 0, shown.stderr
    found = json.loads(out.read_text())
    assert f"pseudo-perplexity {found['perplexity']:,.2f}" in shown.stdout.decode()
    assert sum(found["histogram"]) == found["tokens"]


def test_blimp(pairs: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="--plot needs the plots extra")
    plot = tmp_path / "blimp.png"
    shown = run("evaluate", str(pairs), "--task", "blimp", "--plot", str(plot), "-o", str(tmp_path / "out.json"))
    assert (shown.returncode, shown.stderr) == (0, b"")
    first, *rows = shown.stdout.decode().splitlines()
    assert first.split() == ["3", "pairs", "original", "word-l2r"]
    assert "·" not in shown.stdout.decode()
    assert [row.split("  ")[1] for row in rows] == ["subject verb agreement", "overall"]
    assert plot.read_bytes().startswith(b"\x89PNG")
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["pairs"] == 3
    assert set(found["accuracy"]) == {"original", "word-l2r"}
    assert found["paradigms"]["one"]["pairs"] == 2
    limited = json.loads(run("evaluate", str(pairs), "--task", "blimp", "--limit", "1", "--method", "original", "--json").stdout)  # fmt: skip
    assert limited["pairs"] == 2
    assert list(limited["accuracy"]) == ["original"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("evaluate", "nowhere.txt"), 2, "nowhere.txt"),
        (("evaluate", "--task", "blimp"), 2, "--task blimp needs the FILE of BLiMP's pairs"),
        (("evaluate", "{text}", "--task", "blimp"), 1, "line 1: not JSON"),
        (("evaluate", "{empty}"), 1, "there is no text to evaluate on"),
        (("evaluate", "{empty}", "--task", "pseudo-perplexity"), 1, "there is no text to score"),
        (("evaluate", "{empty}", "--task", "blimp"), 1, "there are no pairs"),
        (("evaluate", "{binary}"), 1, "not UTF-8"),
        (("evaluate", "{text}", "--rate", "2"), 1, "rate is 2.0"),
        (("evaluate", "{text}", "--kind", "words-1"), 2, "--kind is no option of --task masked, but of restoration"),
        (("evaluate", "--task", "restoration", "--rows", "1"), 2, "--rows is no option of --task restoration"),
        (
            ("evaluate", "{text}", "--task", "blimp", "--seed", "1", "--rate", "0.2"),
            2,
            "--rate is no option of --task blimp",
        ),
        (("evaluate", "{text}", "-o", "/proc/no/out.json"), 1, "/proc/no"),
    ],
)
def test_errors_are_one_line(arguments: tuple[str, ...], code: int, message: str, text: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n\n")
    (tmp_path / "binary").write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe" * 40)
    names = {"text": text, "empty": tmp_path / "empty", "binary": tmp_path / "binary"}
    found = run(*(argument.format(**names) for argument in arguments))
    assert (found.returncode, found.stdout) == (code, b""), found.stderr
    assert message in one_line(found.stderr)


def test_a_plots_name_is_checked_before_the_work(text: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="--plot needs the plots extra")
    found = run("evaluate", str(text), "--plot", str(tmp_path / "a.gif"))
    assert found.returncode == 1
    assert "ends in '.gif'; expected .png, .svg, .pdf" in one_line(found.stderr)


def test_restoration(tmp_path: Path) -> None:
    """Holes of three kinds, read by two strategies, in a table, as JSON and as a plot."""
    pytest.importorskip("matplotlib", reason="--plot needs the plots extra")
    text = tmp_path / "story.txt"
    sentences = [
        f"The {who} walked to the {where} in the {when}, and {what} until the evening came."
        for who in ("old man", "young woman", "teacher", "soldier")
        for where in ("river", "market", "church", "garden")
        for when in ("morning", "rain", "winter")
        for what in ("sat by the water", "talked with the people there", "waited for a letter")
    ]
    text.write_text("\n\n".join(" ".join(sentences[n : n + 6]) for n in range(0, len(sentences), 6)), "utf-8")
    out, plot = tmp_path / "out.json", tmp_path / "restoration.png"
    shown = run(
        "evaluate", str(text), "--task", "restoration", "--holes", "2", "--kind", "characters-2", "--kind", "words-2",
        "--kind", "partial-50", "--strategy", "joint", "--strategy", "independent", "-o", str(out), "--plot", str(plot),
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    table = shown.stdout.decode()
    assert "joint" in table
    assert "independent" in table
    assert "partial-50" in table
    assert plot.read_bytes().startswith(b"\x89PNG")
    found = json.loads(out.read_text())
    assert found["task"] == "restoration"
    assert set(found["strategies"]) == {"joint", "independent"}
    assert set(found["strategies"]["joint"]["kinds"]) == {"characters-2", "words-2", "partial-50"}
    assert found["strategies"]["joint"]["all"]["holes"] >= 3
    assert found["strategies"]["joint"]["all"]["admissible"] == 1


def test_no_such_kind_of_damage() -> None:
    shown = run("evaluate", "--task", "restoration", "--kind", "mice")
    assert shown.returncode == 1
    assert "mice" in one_line(shown.stderr)
    assert "partial-50" in one_line(shown.stderr)


def test_bytes_that_are_not_utf8_are_refused() -> None:
    found = run("evaluate", "-", stdin=b"It was late.\n\n\xff bad text\n")
    assert (found.returncode, found.stdout) == (1, b"")
    assert "stdin, row 3: not UTF-8: byte 0xff at 0" in one_line(found.stderr)


def test_nothing_is_nothing() -> None:
    assert [percent(share) for share in (0, 0.0001, 0.0005, 1)] == ["  0.0%", " <0.1%", "  0.1%", "100.0%"]


def test_progress_on_a_pipe_is_lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "_EVERY", 0.0)
    with evaluate._progress("restoration", False) as told:
        assert told is not None
        told(21, 504)
    assert capsys.readouterr().err == "restoration 4% · 21 of 504\n"
