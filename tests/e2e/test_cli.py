"""The real command in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny import write_modernbert

FILLMASK = Path(sys.executable).parent / "fillmask"
PHRASE = "I am <mask> to the bakery"


def run(*arguments: str, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [FILLMASK, *arguments],
        input=stdin,
        capture_output=True,
        env={**os.environ, **environment},
        timeout=60,
        check=False,
    )


def one_line(stderr: bytes) -> str:
    lines = stderr.decode().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("fillmask: ")
    return lines[0]


def test_plain_lines_when_piped() -> None:
    found = run("fill", PHRASE, "--top-k", "3")
    assert (found.returncode, found.stderr) == (0, b"")
    rows = [line.split("\t") for line in found.stdout.decode().splitlines()]
    assert len(rows) == 3
    assert all(row[2] == f"I am {row[1]} to the bakery" for row in rows)
    probabilities = [float(row[0]) for row in rows]
    assert probabilities == sorted(probabilities, reverse=True)


def test_json_lines() -> None:
    found = run("fill", "--json", PHRASE, "The [MASK] is <mask>.", "--top-k", "2")
    first, second = map(json.loads, found.stdout.splitlines())
    assert first["text"] == PHRASE
    assert [len(row) for row in first["masks"]] == [2]
    assert [len(row) for row in second["masks"]] == [2, 2]
    assert set(first["masks"][0][0]) == {"score", "token", "token_str", "sequence"}


def test_stdin_one_text_a_line_with_bad_bytes_and_blank_lines() -> None:
    found = run("fill", "--json", "-", stdin=b"one <mask> here\n\n \ncaf\xe9 <mask>\r\nlast <mask>")
    assert found.returncode == 3
    assert [json.loads(line)["text"] for line in found.stdout.splitlines()] == ["one <mask> here", "last <mask>"]
    assert "text 2: line 4 is not UTF-8: byte 0xe9 at 3" in one_line(found.stderr)


def test_a_byte_order_mark_is_no_part_of_the_first_text() -> None:
    found = run("fill", "--json", "-", stdin=b"\xef\xbb\xbfone <mask> here\nand <mask>\n")
    assert found.returncode == 0
    assert [json.loads(line)["text"] for line in found.stdout.splitlines()] == ["one <mask> here", "and <mask>"]


def test_bad_rows_are_listed_and_the_others_answered() -> None:
    found = run("fill", "--json", "-", stdin=b"a <mask>\nno blank\nb <mask>\n")
    assert found.returncode == 3
    assert len(found.stdout.splitlines()) == 2
    assert "text 2: No mask_token (<mask>) found" in one_line(found.stderr)


def test_targets_are_words_as_the_text_spells_them() -> None:
    found = run("fill", "--json", "--targets", "going,walking", "--targets", "looking", PHRASE)
    (row,) = json.loads(found.stdout)["masks"]
    assert sorted(c["token_str"] for c in row) == [" going", " looking", " walking"]
    start = run("fill", "--json", "--targets", "I", "<mask> am here")
    assert json.loads(start.stdout)["masks"][0][0]["token_str"] == "I"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("fill", "no blank"), 1, "No mask_token (<mask>) found on the input"),
        (("fill", ""), 1, "No mask_token"),
        (("fill", "<mask> " + "word " * 2000), 1, "tokens and the model takes 512"),
        (("fill", "-m", "/no/such", PHRASE), 1, "there is no model '/no/such'"),
        (("fill",), 2, "Missing argument"),
        (("fill", "--top-k", "0", PHRASE), 2, "top-k"),
        (("fill", "--targets", ",", PHRASE), 2, "--targets names no word"),
        (("fill", "--colour", PHRASE), 2, "No such option"),
        (("conjure",), 2, "No such command 'conjure'"),
        (("models", "info", "/no/such"), 1, "there is no model"),
    ],
)
def test_errors_are_one_line(arguments: tuple[str, ...], code: int, message: str) -> None:
    found = run(*arguments)
    assert found.returncode == code
    assert found.stdout == b""
    assert message in one_line(found.stderr)


def test_a_target_that_is_no_token_is_warned_of() -> None:
    found = run("fill", "--targets", "xyzzyq", PHRASE)
    assert found.returncode == 0
    assert "does not exist in the model vocabulary" in one_line(found.stderr)


def test_a_target_of_several_tokens_begins_as_a_word_does() -> None:
    found = run("fill", "--targets", "bakery", "I am going to the <mask>.")
    assert found.returncode == 0
    assert found.stdout.decode().rstrip("\n").endswith("\tI am going to the b.")
    assert "Replacing with `Ġb`" in one_line(found.stderr)


def test_models() -> None:
    assert b"bundled" in run("models", "list").stdout
    (row,) = map(json.loads, run("models", "list", "--json").stdout.splitlines())
    info = json.loads(run("models", "info", "--json").stdout)
    assert info.items() >= row.items()
    assert info["onnxruntime"].startswith("float32: exact")
    assert info["mask_token"] == "<mask>"
    assert info["megabytes"] <= 60
    assert b"longest text" in run("models", "info").stdout


def test_models_bench_decides_what_auto_means(tmp_path: Path) -> None:
    cache = {"FILLMASK_CACHE": str(tmp_path)}
    assert b"tokens/s" in run("models", "bench", "--masks", "60", **cache).stdout
    reason = json.loads(run("models", "info", "--json", **cache).stdout)["onnxruntime"]
    assert reason.startswith("float32: ")
    assert "measured here" in reason
    assert "fewer than 1,000 masks are too few" in reason


def test_info_follows_the_setting(tmp_path: Path) -> None:
    folder = write_modernbert(tmp_path / "own")
    assert json.loads(run("models", "info", "--json", FILLMASK_MODEL=str(folder)).stdout)["folder"] == str(folder)
    asked = json.loads(run("models", "info", "--json", "bundled", FILLMASK_MODEL=str(folder)).stdout)
    assert asked["name"] == "bundled"


@pytest.mark.parametrize("command", [("models", "list"), ("models", "info")])
def test_models_fit_the_terminal(command: tuple[str, ...], tmp_path: Path) -> None:
    shown = on_a_terminal(*command)
    assert "bundled" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_engine_and_precision() -> None:
    exact = json.loads(run("fill", "--json", PHRASE).stdout)
    rounded = json.loads(run("fill", "--json", "--precision", "int8", PHRASE).stdout)
    assert exact != rounded
    assert abs(exact["masks"][0][0]["score"] - rounded["masks"][0][0]["score"]) < 0.05
    assert run("fill", "--precision", "float16", PHRASE).returncode == 2
    assert one_line(run("fill", "--engine", "onnxruntime", "--device", "cuda", PHRASE).stderr).startswith(
        "fillmask: onnxruntime runs on the cpu"
    )


def test_help_and_version() -> None:
    assert b"fill " in run("--help").stdout
    assert b"--top-k" in run("fill", "--help").stdout
    assert run("--version").stdout.startswith(b"fillmask ")
    assert run("--help").returncode == 0


def test_a_reader_that_leaves_is_no_error() -> None:
    process = subprocess.Popen(
        [FILLMASK, "fill", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    _, stderr = process.communicate(b"a <mask>\n" * 500, timeout=60)
    assert (process.returncode, stderr) == (0, b"")


def test_interrupt_is_130_without_a_traceback() -> None:
    process = subprocess.Popen(
        [FILLMASK, "fill", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"a <mask>\n" * 64)
    process.stdin.flush()
    process.stdout.readline()  # it is up and waits for more
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in stderr


def on_a_terminal(*arguments: str) -> str:
    """What a command prints where there is a terminal of eighty columns."""
    pty = pytest.importorskip("pty", reason="terminals are tested on POSIX")
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [FILLMASK, *arguments],
        stdout=slave,
        stderr=slave,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "80"},
    )
    os.close(slave)
    seen = b""
    while True:
        try:
            part = os.read(master, 4096)
        except OSError:
            break
        if not part:
            break
        seen += part
    os.close(master)
    assert process.wait(timeout=60) == 0
    return seen.decode()


def test_a_terminal_gets_bars() -> None:
    text = on_a_terminal("fill", PHRASE)
    assert text.count("%") == 5
    assert "█" in text or "▏" in text or "▍" in text
    assert "to the bakery" in text
