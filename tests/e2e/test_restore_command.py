"""`fillmask restore` in a process of its own: the letters of examples/, every format, wrong uses, Ctrl-C."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from xml.sax.saxutils import unescape

import pytest
from test_cli import FILLMASK, one_line, run

from fillmask import cli
from fillmask.restore.damage import Hole, Known
from fillmask.restore.editions.transcript import escape
from fillmask.restore.notation import parse

sys.path.insert(0, str(Path(__file__).parents[1] / "restore" / "editions"))
from schema import complaints

LETTERS = Path(__file__).parents[2] / "examples" / "letters"
_CHOICE = r"<choice[^>]*><unclear>(.*?)</unclear><unclear[^>]*>(.*?)</unclear></choice>"
# Each letter as JSON and in some of the other formats, by the suffix of the file; each format at least once.
FORMATS = {
    "bakery.txt": ("json", "txt", "html"),
    "lighthouse.txt": ("json", "xml"),
    "orchard.txt": ("json", "md"),
    "ferry.xml": ("json", "xml", "txt"),
    "winter.txt": ("json", "html"),
}


@pytest.fixture(scope="module")
def restored(modernbert_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """The letters as a tiny model reads them."""
    found: dict[str, dict[str, str]] = {}
    out = tmp_path_factory.mktemp("restored")
    for name, suffixes in FORMATS.items():
        found[name] = {}
        for suffix in suffixes:
            path = out / f"{name}.{suffix}"
            arguments = ["restore", str(LETTERS / name), "-o", str(path), "--model", str(modernbert_folder), "-k", "3"]
            options = ["--strategy", "independent", "--min-probability", "0", "--no-marks"]
            assert cli.run([*arguments, *options]) == 0
            found[name][suffix] = path.read_text("utf-8")
    return found


@pytest.mark.parametrize("name", FORMATS)
def test_a_letter_in_its_formats(restored: dict[str, dict[str, str]], name: str) -> None:
    source = (LETTERS / name).read_text("utf-8")
    document = parse(source)
    letter = restored[name]
    told = json.loads(letter["json"])
    assert list(complaints(told)) == []
    assert told["source"] == source
    for hole, gap in zip(document.damaged.holes, told["gaps"], strict=True):
        assert all(hole.admits(reading["text"]) for reading in gap["readings"])
        assert sum(r["probability"] for r in gap["readings"]) + gap["none_of_these"] == pytest.approx(1)
    if "txt" in letter:
        readings = [told["text"][gap["start"] : gap["end"]] or gap["source"] for gap in told["gaps"]]
        assert letter["txt"].rstrip("\n") == document.laid_out(readings).rstrip("\n")
    if "md" in letter:
        assert letter["md"].count("<sup>") == sum(gap["start"] < gap["end"] for gap in told["gaps"])
    if "xml" in letter:
        # Where letters are taken for others, both are there: the reading's are the second.
        read = parse(re.sub(_CHOICE, r"\2", letter["xml"]), notation="tei").damaged
        # Unclear letters are still unclear; a hole without a reading is still a hole, and nothing in the text.
        known = [_spelled(hole) for hole in read.holes]
        # A model of random weights may read a control character, for which XML has no room.
        assert read.filled(known) == unescape(escape(told["text"]))
    if "html" in letter:
        assert letter["html"].lower().startswith("<!doctype html>")


def _spelled(hole: Hole) -> str:
    """The letters of a hole of which none is lost; nothing where some are."""
    letters = [element.text for element in hole.elements if isinstance(element, Known)]
    return "".join(letters) if len(letters) == len(hole.elements) else ""


def test_a_tei_letter_is_kept_but_for_its_holes(restored: dict[str, dict[str, str]]) -> None:
    source = (LETTERS / "ferry.xml").read_text("utf-8")
    edition = re.sub(_CHOICE, r"<unclear>\1</unclear>", restored["ferry.xml"]["xml"])
    added = r"<rdg .*?</rdg>|</?app[^>]*>|</?lem[^>]*>|<certainty[^>]*>|<supplied [^>]*resp.*?</supplied>|<respStmt.*?</respStmt>"
    gap = r"<gap\b[^>]*>"
    assert re.sub(gap, "", re.sub(added, "", edition)) == re.sub(gap, "", source)


def test_the_bakery() -> None:
    found = run("restore", "-", "--min-probability", "0", "--no-marks", stdin=b"I am ... to the bakery")
    assert (found.returncode, found.stderr) == (0, b"")
    text = found.stdout.decode()
    assert text.startswith("I am ")
    assert text.endswith(" to the bakery\n")
    assert "..." not in text


def test_what_is_known_of_holes(modernbert_folder: Path) -> None:
    arguments = ("restore", "-", "--json", "--model", str(modernbert_folder), "--evidence")
    given = ("--lock", "1=river", "--targets", "2=old,town", "--targets", "2=old,market", "-k", "3")
    found = run(*arguments, *given, stdin=b"The [...] and the [...] dog and the ... there")
    assert found.returncode == 0
    assert "fillmask train calibrate" in one_line(found.stderr)
    told = json.loads(found.stdout)
    assert told["calibrated"] is False
    gaps = json.loads(found.stdout)["gaps"]
    assert gaps[0]["locked"]
    assert gaps[0]["readings"] == [{"text": "river", "probability": 1.0}]
    assert {r["text"] for r in gaps[1]["readings"]} == {"old", "town", "market"}
    assert len(gaps[2]["readings"]) == 3
    assert gaps[1]["evidence"]


def test_options_speak_of_holes_by_the_numbers_that_are_shown(modernbert_folder: Path) -> None:
    source = b"The [...] and the b_g dog"
    none = run("restore", "-", "--model", str(modernbert_folder), "--targets", "2=elephant", stdin=source)
    assert none.returncode == 1
    assert "none of the targets of hole 2 fits what is known of it: elephant" in one_line(none.stderr)
    twice = run("restore", "-", "--model", str(modernbert_folder), "--lock", "1=old", "--lock", "1=sad", stdin=source)
    assert twice.returncode == 2
    assert "--lock 1=sad: the hole is locked to 'old' already" in one_line(twice.stderr)


def test_notation_and_ellipses(modernbert_folder: Path) -> None:
    def holes(*options: str) -> tuple[str, list[str]]:
        arguments = ("restore", "-", "--json", "--model", str(modernbert_folder), "--strategy", "independent")
        told = json.loads(run(*arguments, *options, stdin=b"Well... the [...] went").stdout)
        return told["notation"], [gap["source"] for gap in told["gaps"]]

    assert holes() == ("plain", ["Well...", "[...]"])
    assert holes("--keep-ellipses") == ("plain", ["[...]"])
    assert holes("--notation", "leiden", "--keep-ellipses") == ("leiden", ["[...]"])


def test_a_lexicon(modernbert_folder: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("Quixby\n\n  Zorn \n", "utf-8")
    arguments = ("restore", "-", "--json", "--model", str(modernbert_folder), "--lexicon", str(names))
    told = json.loads(run(*arguments, stdin=b"The dog went to Qu[..]by in winter").stdout)
    assert "Quixby" in [reading["text"] for reading in told["gaps"][0]["readings"]]


def test_nothing_lost() -> None:
    found = run("restore", "-", stdin=b"All is well.")
    assert (found.returncode, found.stdout) == (0, b"All is well.\n")
    assert one_line(found.stderr) == "fillmask: warning: nothing is lost in <stdin>, read as plain"


def test_encodings(modernbert_folder: Path) -> None:
    tei = '<?xml version="1.0" encoding="iso-8859-1"?><ab>caf\xe9</ab>'
    assert run("restore", "-", "-f", "tei", stdin=tei.encode("latin-1")).stdout.decode() == tei.replace(
        "iso-8859-1", "UTF-8"
    )
    assert run("restore", "-", stdin="café".encode("utf-16")).stdout.decode() == "café\n"
    assert run("restore", "-", stdin=b"\xef\xbb\xbfcaf\xc3\xa9").stdout.decode() == "café\n"


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "message"),
    [
        (("restore",), b"", 2, "expected a FILE"),
        (("restore", "nowhere.txt"), b"", 2, "nowhere.txt"),
        (("restore", "-"), b" \n", 1, "there is no text in <stdin>"),
        (("restore", "-"), b"caf\xe9 ...", 1, "<stdin> is not utf-8 at byte 3; convert it"),
        (("restore", "-"), b"<?xml version='1.0' encoding='klingon'?><p/>", 1, "klingon, which is not known"),
        (("restore", "-"), b"one\n [---] two [three", 1, "<stdin>, line 2, column 12: '[' is not closed"),
        (("restore", "-"), b"<p>\n<gap</p>", 1, "<stdin>, line 2, column 5: not well-formed XML"),
        (("restore", "-", "--div", "2"), b"<p>a</p>", 1, "there is no <div type=\"edition\"> called '2'"),
        (("restore", "-", "--json", "-f", "tei"), b"...", 2, "--json and --format tei ask for two formats"),
        (("restore", "-", "--lock", "going"), b"...", 2, "--lock going: expected the number of a hole"),
        (("restore", "-", "--lock", "0=a"), b"...", 2, "--lock 0=a: the document has one hole"),
        (("restore", "-", "--targets", "3=a"), b"... a ...", 2, "the document has holes 1 to 2"),
        (("restore", "-", "--targets", "1=b,c"), b"a[..]", 1, "none of the targets"),
        (("restore", "-", "-o", "nowhere/letter.txt"), b"all", 1, "cannot be written: there is no folder"),
        (("restore", "-", "-o", "out.docx"), b"all", 2, "end it in .txt, .json, .md, .markdown, .xml, .tei, .html"),
        (("restore", "-", "-o", "out.jsonl"), b"all", 2, "or give --format"),
        (("restore", "-", "-o", "letter"), b"all", 2, "--output letter does not say what to write"),
        (("restore", "-", "--model", "nowhere"), b"...", 1, "nowhere"),
    ],
)
def test_errors_are_one_line(arguments: Sequence[str], stdin: bytes, code: int, message: str) -> None:
    found = run(*arguments, stdin=stdin)
    assert (found.returncode, found.stdout) == (code, b"")
    assert message in found.stderr.decode().splitlines()[-1]


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("before", "utf-8")
    link = tmp_path / "link.txt"
    link.symlink_to(path)
    assert run("restore", "-", "-o", str(link), stdin=b"all is well").returncode == 0
    assert link.is_symlink()
    assert path.read_text("utf-8") == "all is well\n"
    assert run("restore", "-", "-o", str(path), stdin=b"[---] and [so").returncode == 1
    assert path.read_text("utf-8") == "all is well\n"
    assert sorted(tmp_path.iterdir()) == [path, link] or sorted(tmp_path.iterdir()) == [link, path]


def test_a_terminal_gets_a_drawing(modernbert_folder: Path) -> None:
    pty = pytest.importorskip("pty", reason="terminals are tested on POSIX")
    seen, code = _on_a_terminal(pty, "I am ... to the b[..]ery", modernbert_folder)
    assert code == 0
    assert "line 1, column 6" in seen
    assert "b[..]ery" in seen
    assert "2 holes · read as plain · joint" in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", seen)


def test_interrupted_it_writes_what_it_found(modernbert_folder: Path, tmp_path: Path) -> None:
    pty = pytest.importorskip("pty", reason="terminals are tested on POSIX")
    holes = 400
    text = "The [...] dog went to the ba[..]ry in winter. " * (holes // 2)
    path = tmp_path / "letter.json"
    seen, code = _on_a_terminal(pty, text, modernbert_folder, "-o", str(path), stop=rb"\b[1-9]\d*/400")
    assert code == 130
    told = json.loads(path.read_text("utf-8"))
    assert list(complaints(told)) == []
    assert told["complete"] is False
    assert len(told["gaps"]) == holes
    assert told["gaps"][0]["readings"]
    assert not told["gaps"][-1]["readings"]
    assert "interrupted: what was found so far is written" in seen


def _on_a_terminal(pty: ModuleType, text: str, model: Path, *options: str, stop: bytes = b"") -> tuple[str, int]:
    """What a terminal is shown, and the exit code; Ctrl-C is pressed when `stop` is seen."""
    main, terminal = pty.openpty()
    process = subprocess.Popen(
        [FILLMASK, "restore", "-", "--model", str(model), *options],
        stdin=subprocess.PIPE,
        stdout=terminal,
        stderr=terminal,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "80"},
    )
    os.close(terminal)
    assert process.stdin is not None
    process.stdin.write(text.encode())
    process.stdin.close()
    seen = b""
    while part := _read(main):
        seen += part
        if stop and re.search(stop, seen):
            process.send_signal(signal.SIGINT)
            stop = b""
    os.close(main)
    return seen.decode(), process.wait(timeout=60)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # nobody writes to it any more
        return b""


def test_adapting_first(
    modernbert_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The model that reads is the one that was adapted, and it is gone afterwards."""
    asked: list[tuple[str | None, list[Path], Path]] = []

    def adapt(model: str | None, texts: Sequence[Path], folder: Path, **_: object) -> Path:
        asked.append((model, list(texts), folder))
        shutil.copytree(modernbert_folder, folder)
        return folder

    fake = ModuleType("fillmask.training.adapt")
    monkeypatch.setattr(fake, "adapt", adapt, raising=False)
    monkeypatch.setitem(sys.modules, "fillmask.training.adapt", fake)
    others = [tmp_path / "one.txt", tmp_path / "two.txt"]
    for other in others:
        other.write_text("The dog went to the river.", "utf-8")
    letter = tmp_path / "letter.txt"
    letter.write_text("The [...] went", "utf-8")
    adapted = [argument for other in others for argument in ("--adapt", str(other))]
    assert cli.run(["restore", str(letter), *adapted, "--json"]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["complete"]
    assert "adapting the model to 2 texts" in err
    assert [(model, texts) for model, texts, _ in asked] == [(None, others)]
    assert not asked[0][2].exists()


@pytest.mark.parametrize("missing", ["fillmask.training.adapt", "torch"])
def test_adapting_needs_an_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], missing: str
) -> None:
    for name in [
        name for name in sys.modules if name.startswith(("fillmask.training", "fillmask.runtime.engines.torch"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    letter = tmp_path / "letter.txt"
    letter.write_text("The [...] went", "utf-8")
    assert cli.run(["restore", str(letter), "--adapt", str(letter)]) == 1
    assert capfd.readouterr().err == (
        "fillmask: --adapt needs an extra that is not installed: pip install 'fillmask[train]'\n"
    )


def test_the_ending_of_the_output_says_what_is_written(tmp_path: Path) -> None:
    for name, begins in {"a.markdown": "all is\n", "b.TXT": "all is\n", "c.HTM": "<!DOCTYPE", "d.json": "{"}.items():
        assert cli.run(["restore", str(_written(tmp_path / "in.txt")), "-o", str(tmp_path / name)]) == 0
        assert (tmp_path / name).read_text("utf-8").startswith(begins)
    asked = ["restore", str(tmp_path / "in.txt"), "-f", "text", "-o", str(tmp_path / "out.docx")]
    assert cli.run(asked) == 0
    assert (tmp_path / "out.docx").read_text("utf-8") == "all is\n"


def _written(path: Path) -> Path:
    path.write_text("all is", "utf-8")
    return path
