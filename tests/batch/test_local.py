"""Batch jobs over text, CSV and JSON lines, without any extra: what is read, written, rejected and resumed."""

import bz2
import gzip
import json
import lzma
import os
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from fillmask import FillMask, InputError
from fillmask.batch import local, tasks
from fillmask.batch.estimate import estimate
from fillmask.batch.job import BatchJob, BatchProgress, JobSummary
from fillmask.batch.manifest import NAME, open_manifest
from fillmask.batch.rows import RowSelection, parse
from fillmask.batch.shards import ShardReader, plan_shards
from fillmask.batch.tasks import ModelOptions, TaskOptions
from fillmask.data.files import find_files
from fillmask.data.tables import open_rows
from fillmask.tasks.classify import Classifier

WORDS = ("dog", "cat", "horse", "fox", "bread", "river", "town", "market", "friend")


def phrases(count: int) -> list[str]:
    """Short texts of different lengths with one mask or two; every tenth comes again."""
    made = []
    for number in range(count):
        words = [WORDS[(number * step + step) % len(WORDS)] for step in range(2 + number % 7)]
        words.insert(number % len(words), "<mask>")
        made.append(f"The {' '.join(words)}" + (" and a [MASK]." if number % 5 == 0 else f" {number % 90}."))
    return made


@pytest.fixture
def run(modernbert_folder: Path, tmp_path: Path) -> Callable[..., JobSummary]:
    """Runs a job on the tiny model, into `tmp_path / "out"` unless it is told otherwise."""

    def run(*inputs: Path | str, output: Path | None = None, task: str = "fill", restart: bool = False, on_progress: Any = None, **more: Any) -> JobSummary:  # fmt: skip
        options = TaskOptions(task, more.pop("parameters", {}), ModelOptions(str(modernbert_folder), threads=2))
        settings = {"format": "jsonl", "shard_rows": 10} | more
        job = BatchJob(find_files([str(path) for path in inputs]), output or tmp_path / "out", options, **settings)
        return local.run(job, restart=restart, on_progress=on_progress)

    return run


def answers(folder: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for path in sorted(folder.glob("part-*.jsonl"))
        for line in path.read_text("utf-8").splitlines()
    ]


def rejects(folder: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line) for path in sorted(folder.glob("_rejects-*")) for line in path.read_text("utf-8").splitlines()
    ]


def test_answers_are_those_of_fill_mask(
    run: Callable[..., JobSummary], modernbert_folder: Path, tmp_path: Path
) -> None:
    texts = phrases(35)
    path = tmp_path / "in.txt"
    path.write_text("\n".join(texts) + "\n", "utf-8")
    summary = run(path, parameters={"top_k": 3, "sequences": True})
    assert (summary.rows, summary.rejected, summary.shards) == (35, 0, 4)
    unmask = FillMask(modernbert_folder, top_k=3)
    found = answers(tmp_path / "out")
    assert [row["row"] for row in found] == list(range(35))
    for text, row in zip(texts, found, strict=True):
        expected = unmask(text)
        masks = expected if isinstance(expected[0], list) else [expected]
        assert row["text"] == text
        for name in ("token", "token_str", "sequence"):
            assert row[name] == [[c[name] for c in mask] for mask in masks]
        for scores, mask in zip(row["score"], masks, strict=True):
            assert scores == pytest.approx([c["score"] for c in mask], rel=1e-4)


def test_targets_and_windows(run: Callable[..., JobSummary], modernbert_folder: Path, tmp_path: Path) -> None:
    long = " ".join(["bread and <mask> in the town"] * 40)
    path = tmp_path / "in.txt"
    path.write_text(f"The <mask>.\n{long}\n", "utf-8")
    run(path, parameters={"targets": ["dog", "cat"], "long_text": "window"})
    short, windows = answers(tmp_path / "out")
    unmask = FillMask(modernbert_folder, targets=["Ġdog", "Ġcat"], long_text="window")
    assert short["token"] == [[c["token"] for c in unmask("The <mask>.")]]
    assert windows["token"] == [[c["token"] for c in mask] for mask in unmask(long)]


def test_scores_are_those_of_the_library(
    run: Callable[..., JobSummary], modernbert_folder: Path, tmp_path: Path
) -> None:
    texts = ["The old dog went to the bakery.", "Bread, and two coins.", "The old dog went to the bakery."]
    path = tmp_path / "in.txt"
    path.write_text("\n".join(texts), "utf-8")
    run(path, task="score", parameters={"words": True})
    for row, expected in zip(answers(tmp_path / "out"), FillMask(modernbert_folder).score(texts), strict=True):
        assert row["score"] == pytest.approx(expected.score, rel=1e-5)
        assert row["words"] == [word.word for word in expected.words]
        assert row["word_scores"] == pytest.approx([word.score for word in expected.words], rel=1e-4)


def test_a_shard_of_scores_does_not_hold_a_copy_of_a_text_for_each_of_its_tokens(modernbert_folder: Path) -> None:
    task = tasks.load(TaskOptions("score", {}, ModelOptions(str(modernbert_folder), threads=1)))
    texts = [f"{number} " + "the old dog went to the bakery " * 12 for number in range(30)]
    task.prepare(texts[:1])
    tracemalloc.start()
    try:
        work = task.prepare(texts)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert work.pieces > 1
    tokens = sum(len(text.split()) for text in texts)
    assert held < 600 * tokens  # bytes; a copy of the ids takes 700 and more


def test_restorations_are_those_of_the_library(run: Callable[..., JobSummary], modernbert_folder: Path, tmp_path: Path) -> None:  # fmt: skip
    texts = ["The old d[.]g went to the ...", "Nothing is lost here."]
    path = tmp_path / "in.txt"
    path.write_text("\n".join(texts), "utf-8")
    run(path, task="restore", parameters={"readings": 3})
    damaged, whole = answers(tmp_path / "out")
    expected = FillMask(modernbert_folder).restore(texts[0], readings=3)
    assert damaged["restored"] == expected.text
    assert damaged["reading"] == [[reading.text for reading in gap.readings] for gap in expected.gaps]
    assert (whole["restored"], whole["gap"]) == (texts[1], [])


@pytest.fixture
def classifier_folder(modernbert_folder: Path, tmp_path: Path) -> Path:
    """A classifier with three labels on the tiny encoder."""
    folder = tmp_path / "classifier"
    shutil.copytree(modernbert_folder, folder)
    config = json.loads((folder / "config.json").read_text())
    labels = {"id2label": {"0": "bad", "1": "fair", "2": "good"}, "label2id": {"bad": 0, "fair": 1, "good": 2}}
    config |= labels | {"architectures": ["ModernBertForSequenceClassification"], "classifier_pooling": "mean"}
    (folder / "config.json").write_text(json.dumps(config))
    tensors = load_file(folder / "model.safetensors")
    tensors = {name: value for name, value in tensors.items() if not name.startswith("decoder")}
    rng = np.random.default_rng(0)
    tensors["classifier.weight"] = rng.normal(0, 1, (3, config["hidden_size"])).astype(np.float32)
    tensors["classifier.bias"] = rng.normal(0, 1, 3).astype(np.float32)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_labels_are_those_of_the_library(classifier_folder: Path, tmp_path: Path) -> None:
    texts = ["Bread is good.", "word " * 200, "Two coins, and nothing else.", "Bread is good."]
    (tmp_path / "in.txt").write_text("\n".join(texts), "utf-8")
    options = TaskOptions("classify", {"top_k": 2}, ModelOptions(str(classifier_folder), threads=2))
    summary = local.run(BatchJob(find_files([str(tmp_path / "in.txt")]), tmp_path / "out", options, "jsonl"))
    assert (summary.rows, summary.rejected) == (3, 1)
    expected = Classifier(classifier_folder, top_k=2)([texts[0], texts[2], texts[3]])
    for row, labels in zip(answers(tmp_path / "out"), expected, strict=True):
        assert row["label"] == [label["label"] for label in labels]
        assert row["label_score"] == pytest.approx([label["score"] for label in labels], rel=1e-5)
    with pytest.raises(InputError, match="the bundled model has no labels"):
        tasks.load(TaskOptions("classify"))


def test_other_columns_come_through_and_bad_rows_are_told(run: Callable[..., JobSummary], tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    good = {"key": "a", "text": "The <mask>.", "tags": [1, {"x": None}], "n": 2.5}
    lines = [
        json.dumps(good).encode(),
        b"",
        b"{not json",
        b'{"key": "d", "text": null}',
        b'{"key": "e", "text": "no mask"}',
        b'{"key": "f", "text": "\xff <mask>"}',
        b"[1]",
        b'{"key": "h"}',
        b'{"key": "i", "text": "\\ud800 <mask>"}',
        json.dumps({"key": "j", "text": "<mask> " + "word " * 200}).encode(),
        b'{"key": "k", "text": 7}',
    ]
    path.write_bytes(b"\n".join(lines))
    summary = run(path, id="key")
    assert (summary.rows, summary.rejected) == (1, 9)
    (row,) = answers(tmp_path / "out")
    assert {name: row[name] for name in good} == good
    assert list(row) == ["row", *good, "token", "token_str", "score"]
    told = rejects(tmp_path / "out")
    assert [(t["row"], t["line"], t["id"]) for t in told] == [
        (2, 3, None), (3, 4, "d"), (4, 5, "e"), (5, 6, None), (6, 7, None), (7, 8, "h"), (8, 9, "i"), (9, 10, "j"), (10, 11, "k"),
    ]  # fmt: skip
    for reject, reason in zip(
        told, ("not JSON", "null", "No mask_token (<mask>)", "not UTF-8", "list", "no 'text'", "surrogate", "tokens and the model takes 128", "int"), strict=True
    ):  # fmt: skip
        assert reason in reject["reason"]


@pytest.mark.parametrize("format", ["jsonl", "parquet"])
def test_lone_surrogates_beside_the_text_are_rejects(
    run: Callable[..., JobSummary], tmp_path: Path, format: str
) -> None:
    if format == "parquet":
        pytest.importorskip("pyarrow", reason="Parquet needs the data extra")
    path = tmp_path / "in.jsonl"
    lines = [
        '{"text": "The <mask>.", "note": "é 😀 \\ud83d\\ude00", "deep": {"a": ["é"]}}',
        r'{"text": "The <mask>.", "note": "\ud800"}',
        r'{"text": "The <mask>.", "deep": {"a": [1, {"\udfff": 2}]}}',
        r'{"text": "The <mask>.", "\udc80": 1}',
        '{"text": "The <mask>.", "note": "fine"}',
    ]
    path.write_text("\n".join(lines), "utf-8")
    summary = run(path, format=format)
    assert (summary.rows, summary.rejected) == (2, 3)
    assert [(told["row"], told["reason"]) for told in rejects(tmp_path / "out")] == [
        (1, "'note' has a lone surrogate"),
        (2, "'deep' has a lone surrogate"),
        (3, "the name of the column '\\udc80' has a lone surrogate"),
    ]
    if format == "jsonl":
        assert answers(tmp_path / "out")[0]["note"] == "é 😀 😀"


def test_csv(run: Callable[..., JobSummary], tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(
        b'\xef\xbb\xbfid,said\n1,"The <mask>,\nin two lines"\n2,"one","too many"\n\n3,\xff<mask>\n4,<mask>\n'
    )
    summary = run(path, text="said", id="id")
    assert (summary.rows, summary.rejected) == (2, 2)
    assert [(row["id"], row["said"]) for row in answers(tmp_path / "out")] == [("1", "The <mask>,\nin two lines"), ("4", "<mask>")]  # fmt: skip
    assert [reject["reason"].split(":")[0][:15] for reject in rejects(tmp_path / "out")] == [
        "the row has 3 f",
        "not UTF-8 in 's",
    ]


@pytest.mark.parametrize(
    ("suffix", "compress"), [(".gz", gzip.compress), (".xz", lzma.compress), (".bz2", bz2.compress)]
)
def test_compressed_files_and_globs(run: Callable[..., JobSummary], tmp_path: Path, suffix: str, compress: Callable[[bytes], bytes]) -> None:  # fmt: skip
    texts = phrases(24)
    (tmp_path / f"b.txt{suffix}").write_bytes(compress("\n".join(texts[9:]).encode()))
    (tmp_path / f"a.txt{suffix}").write_bytes(compress("\n".join(texts[:9]).encode()))
    run(tmp_path / f"*.txt{suffix}")
    assert [(row["row"], row["text"]) for row in answers(tmp_path / "out")] == list(enumerate(texts))


def test_a_cut_off_file_is_one_clear_error(run: Callable[..., JobSummary], tmp_path: Path) -> None:
    path = tmp_path / "in.txt.gz"
    path.write_bytes(gzip.compress("\n".join(phrases(3000)).encode())[:-40])
    with pytest.raises(InputError, match=r"cannot read .*in\.txt\.gz"):
        run(path, shard_rows=1000)


def test_a_job_goes_on_where_it_was(run: Callable[..., JobSummary], tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_text("\n".join(phrases(95)), "utf-8")
    run(path, output=tmp_path / "whole")

    def stop(progress: BatchProgress) -> None:
        if progress.rows > 42:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(path, on_progress=stop)
    manifest = (tmp_path / "out" / NAME).read_text().splitlines()
    assert len(manifest) == 1 + 4
    assert not list((tmp_path / "out").glob("*.part*.part"))
    summary = run(path)
    assert (summary.computed, summary.rows) == (55, 95)
    for part in sorted((tmp_path / "whole").glob("part-*")):
        assert part.read_bytes() == (tmp_path / "out" / part.name).read_bytes()
    assert run(path).computed == 0


def test_what_a_crash_leaves_is_done_again(run: Callable[..., JobSummary], tmp_path: Path) -> None:
    """A line of the manifest cut in two, a shard's file cut short, a file that was being written."""
    path, out = tmp_path / "in.txt", tmp_path / "out"
    path.write_text("\n".join(phrases(50)), "utf-8")
    run(path)
    whole = {part.name: part.read_bytes() for part in out.glob("part-*")}
    lines = (out / NAME).read_bytes().splitlines(keepends=True)
    (out / NAME).write_bytes(b"".join(lines[:4]) + lines[4][:20])
    (out / "part-000001.jsonl").write_bytes(whole["part-000001.jsonl"][:-5])
    (out / "part-000004.jsonl.1234abcd.part").write_bytes(b"half")
    assert run(path).computed == 30
    assert {part.name: part.read_bytes() for part in out.glob("part-*")} == whole


def test_another_job_is_refused_and_named(run: Callable[..., JobSummary], tmp_path: Path, roberta_folder: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_text("\n".join(phrases(20)), "utf-8")
    run(path)
    with pytest.raises(InputError, match=r"parameters\.top_k is 5 there and 2 here.*--restart"):
        run(path, parameters={"top_k": 2})
    with pytest.raises(InputError, match="shard_rows is 10 there and 7 here"):
        run(path, shard_rows=7)
    path.write_text("\n".join(phrases(21)), "utf-8")
    with pytest.raises(
        InputError, match=r"inputs\.in\.txt\.size is \d+ there and \d+ here; inputs\.in\.txt\.modified is"
    ):
        run(path)
    other = BatchJob(
        find_files([str(path)]),
        tmp_path / "out",
        TaskOptions("fill", {}, ModelOptions(str(roberta_folder))),
        "jsonl",
        10,
    )
    with pytest.raises(InputError, match="model is"):
        local.run(other)
    assert run(path, parameters={"top_k": 2}, restart=True).computed == 21
    assert len(answers(tmp_path / "out")) == 21


def test_a_file_that_was_only_touched_is_named_with_its_time(run: Callable[..., JobSummary], tmp_path: Path) -> None:
    for name in ("one.txt", "two.txt"):
        (tmp_path / name).write_text("The <mask>.", "utf-8")
    run(tmp_path / "one.txt", tmp_path / "two.txt")
    os.utime(tmp_path / "two.txt", ns=(5, 5))
    with pytest.raises(InputError, match=r"another job: inputs\.two\.txt\.modified is \d+ there and 5 here\. Go on"):
        run(tmp_path / "one.txt", tmp_path / "two.txt")


def test_two_jobs_do_not_share_a_folder(run: Callable[..., JobSummary], tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_text("The <mask>.", "utf-8")
    with (
        open_manifest(tmp_path / "out", {"format": "jsonl"}),
        pytest.raises(InputError, match="another job is writing"),
    ):
        run(path)


@pytest.mark.parametrize("restart", [False, True])
def test_a_job_that_is_refused_leaves_the_manifest_of_the_one_that_runs(tmp_path: Path, restart: bool) -> None:
    """Also in the moment in which that is locked and still empty."""
    fcntl = pytest.importorskip("fcntl")
    with open(tmp_path / NAME, "x+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another job is writing"):
            open_manifest(tmp_path, {"format": "jsonl"}, restart=restart)
        assert (tmp_path / NAME).exists()
        (tmp_path / NAME).unlink()


def test_a_manifest_that_goes_before_it_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the job that made it was refused meanwhile: what this one wrote would be in no folder."""
    path = tmp_path / NAME
    path.touch()
    monkeypatch.setattr("fillmask.batch.manifest._lock", lambda *_: path.unlink() or True)
    with pytest.raises(InputError, match="another job is writing"):
        open_manifest(tmp_path, {"format": "jsonl"})


def test_a_shard_that_was_done_again_leaves_a_complete_job(run: Callable[..., JobSummary], tmp_path: Path) -> None:
    path, out = tmp_path / "in.txt", tmp_path / "out"
    path.write_text("\n".join(phrases(30)), "utf-8")
    run(path)
    (out / "part-000001.jsonl").unlink()
    assert run(path).computed == 10
    manifest = (out / NAME).read_bytes()
    assert run(path).rows == 30
    assert (out / NAME).read_bytes() == manifest


def test_strangers_in_the_folder_are_not_overwritten(run: Callable[..., JobSummary], tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_text("The <mask>.", "utf-8")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "part-000000.jsonl").write_text("mine")
    with pytest.raises(InputError, match="choose another folder"):
        run(path)
    assert (tmp_path / "out" / "part-000000.jsonl").read_text() == "mine"
    assert not (tmp_path / "out" / NAME).exists()


@pytest.mark.parametrize(
    ("name", "content", "settings", "message"),
    [
        ("in.csv", "id,said\n1,a\n", {}, "no column 'text'; it has id, said"),
        ("in.csv", "text,score\na <mask>,1\n", {}, "has a column 'score', which the answers have too"),
        ("in.csv", "text,text\na <mask>,1\n", {}, "two columns 'text'"),
        ("in.jsonl", '{"said": 1}\n', {}, "there is no 'text'"),
        ("in.txt", "a <mask>", {"columns": ("other",)}, "no column 'other'"),
        ("in.xyz", "a <mask>", {}, "no suffix that tells its format"),
        ("in.txt", "a <mask>", {"parameters": {"top_k": 0}}, "top_k is 0"),
        ("in.txt", "a <mask>", {"parameters": {"tpo_k": 1}}, "no parameter 'tpo_k'"),
        ("in.txt", "a <mask>", {"task": "restore", "parameters": {"notation": "foo"}}, "notation is 'foo'; expected one of auto, plain"),
        ("in.txt", "a <mask>", {"task": "restore", "parameters": {"strategy": "foo"}}, "strategy is 'foo'; expected one of joint"),
        ("in.txt", "a <mask>", {"shard_rows": 0}, "shard_rows is 0"),
        ("in.txt", "a <mask>", {"format": "xml"}, "no format 'xml'"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_said(run: Callable[..., JobSummary], tmp_path: Path, name: str, content: str, settings: dict[str, Any], message: str) -> None:  # fmt: skip
    (tmp_path / name).write_text(content, "utf-8")
    with pytest.raises(InputError, match=message):
        run(tmp_path / name, **settings)


def test_a_heading_that_is_no_utf8(run: Callable[..., JobSummary], tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(b"text,\xff\na <mask>,1\n")
    with pytest.raises(
        InputError, match="line 1: the heading is not UTF-8: byte 0xff at 5; name the encoding with --encoding"
    ):
        run(tmp_path / "in.csv")


def test_inputs_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    (tmp_path / "a.csv").touch()
    for patterns, message in (
        (["nowhere*.txt"], "there is no file nowhere"),
        ([str(tmp_path)], "is a folder"),
        ([str(tmp_path / "a.txt"), str(tmp_path / "a.csv")], "csv and text"),
        (["-", "-"], "read by itself"),
    ):
        with pytest.raises(InputError, match=message):
            find_files(patterns)


def test_a_line_without_end_is_a_reject(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("fillmask.data.text.LONGEST_LINE", 100)
    path = tmp_path / "in.txt"
    path.write_text("one\n" + "long " * 100 + "\nthree\n", "utf-8")
    (rows,) = ShardReader(plan_shards(find_files([str(path)]), RowSelection(), 10)[0]).shards()
    assert rows.texts == ["one", "three"]
    assert [(r.row, r.reason[:18]) for r in rows.rejects] == [(1, "the line is longer")]


def test_shards_are_the_same_whatever_is_passed_over(tmp_path: Path) -> None:
    for number, count in enumerate((13, 1, 0, 30)):
        (tmp_path / f"{number}.txt").write_text("".join(f"{number} {line}\n" for line in range(count)), "utf-8")
    sources = find_files([str(tmp_path / "*.txt")])
    every = list(ShardReader(plan_shards(sources, RowSelection(), 7)[0]).shards())
    assert [rows.shard for rows in every] == list(range(7))
    assert [number for rows in every for number in rows.numbers] == list(range(44))
    some = list(ShardReader(plan_shards(sources, RowSelection(), 7)[0]).shards({0, 2, 3, 6}))
    assert some == [every[1], every[4], every[5]]


def test_dry_run(modernbert_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("\n".join([*phrases(400), "no mask"]) + "\n", "utf-8")
    job = BatchJob(find_files([str(tmp_path / "in.txt")]), tmp_path / "out", TaskOptions("fill", {}, ModelOptions(str(modernbert_folder))), "jsonl")  # fmt: skip
    found = estimate(job, price_per_hour=3.0)
    assert not (tmp_path / "out").exists()
    assert (found.rows, found.sampled) == (401, 401)
    assert found.rejected == pytest.approx(1 / 401)
    assert found.masks_per_row == pytest.approx(480 / 401, rel=0.05)
    assert found.cost_per_million == pytest.approx(1e6 / found.rows_per_second / 3600 * 3)
    assert "per 1M rows" in found.in_words()


def test_every_task_names_its_columns() -> None:
    for task in ("fill", "score", "restore", "classify"):
        assert tasks.columns(TaskOptions(task))
    with pytest.raises(InputError, match="no task 'sing'"):
        tasks.columns(TaskOptions("sing"))


def test_rejects_of_a_csv_name_the_line_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('id,text\n1,"two\nlines"\n2,a,b\n\n3,c,d\n')
    reader = open_rows(find_files([str(path)])[0])
    assert reader.skip(1) == 1
    rows = parse(reader.records(reader.take(10)), RowSelection(), shard=0, row=1, file="a.csv")
    assert [(r.row, r.line) for r in rows.rejects] == [(1, 4), (3, 6)]
    reader.close()


def test_an_output_that_is_a_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("The <mask>.\n")
    with pytest.raises(InputError, match="is a file; expected the name of a folder"):
        BatchJob(find_files([str(path)]), path, TaskOptions("fill"))
