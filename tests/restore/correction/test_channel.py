"""The channel: alignment, what is learnt from pairs, and how likely words are misread."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from fillmask import CorpusError, InputError
from fillmask.cli.train.channel import command
from fillmask.restore.correction import channel as channels
from fillmask.restore.correction.alignment import aligned, edit_distance, edits, error_rates
from fillmask.restore.correction.channel import ConfusionChannel, learn

TEXT = "the farmer sold his corn at the market and came home with the money in his pocket " * 12
READ = TEXT.replace("rm", "nn").replace("corn", "com").replace("th", "tb", 12)


def brute_force(a: str, b: str) -> int:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, start=1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


@given(st.text("abc", max_size=8), st.text("abc", max_size=8))
def test_distances_equal_the_textbook(a: str, b: str) -> None:
    assert edit_distance(a, b) == brute_force(a, b)
    spans = aligned(a, b)
    assert "".join(a[start:end] for start, end, _, _ in spans) == a
    assert "".join(b[first:last] for _, _, first, last in spans) == b
    assert sum(a[start:end] != b[first:last] for start, end, first, last in spans) == brute_force(a, b)


def test_neighbouring_edits_are_one() -> None:
    assert list(edits("farmer", "farrner", 3)) == [("m", "rn")]
    assert list(edits("clear", "dear", 3)) == [("cl", "d")]
    assert list(edits("same", "same", 3)) == []


def test_error_rates_are_by_characters_and_words() -> None:
    cer, wer = error_rates([("the cat", "tbe cat"), ("a b c", "a b c")])
    assert cer == pytest.approx(1 / 12)
    assert wer == pytest.approx(1 / 5)


def test_what_pairs_show_is_learnt() -> None:
    before, after = channels.general(), learn([(READ, TEXT)], channels.general())
    assert after.operations["rm", "nn"] > before.operations.get(("rm", "nn"), -99)
    assert after.operations["rn", "m"] > before.operations["rn", "m"]
    assert after.log_probability("farmer", "fanner") > before.log_probability("farmer", "fanner")
    assert after.log_probability("corn", "com") > after.log_probability("corn", "coxn")


def test_the_general_channel_knows_what_eyes_confuse() -> None:
    channel = channels.general()
    for text, read in [("modern", "modem"), ("clear", "dear"), ("his", "liis"), ("night", "niglit"), ("the", "tbe")]:
        assert channel.log_probability(text, read) > channel.log_probability(text, text[:-1] + "q")
        assert channel.log_probability(text, text) > channel.log_probability(text, read)


@given(st.text("abmnrclidh", min_size=1, max_size=8), st.text("abmnrclidh", min_size=1, max_size=8))
def test_a_channel_gives_log_probabilities(text: str, read: str) -> None:
    assert channels.general().log_probability(text, read) <= 0


def test_a_saved_channel_comes_back(tmp_path: Path) -> None:
    channel = learn([(READ, TEXT)])
    channels.save(channel, tmp_path / "channel.json")
    again = channels.load(tmp_path / "channel.json")
    assert again.operations.keys() == channel.operations.keys()
    assert again.log_probability("farmer", "fanner") == pytest.approx(
        channel.log_probability("farmer", "fanner"), abs=0.01
    )


@pytest.mark.parametrize("content", ["", "[]", '{"version": 9}', '{"version": 1}'])
def test_a_broken_channel_says_what_to_do(tmp_path: Path, content: str) -> None:
    path = tmp_path / "channel.json"
    path.write_text(content, "utf-8")
    with pytest.raises(InputError, match="fillmask train channel"):
        channels.load(path)


def test_too_few_pairs_are_refused() -> None:
    with pytest.raises(CorpusError, match="expected 500 or more"):
        learn([("tbe", "the")])


def test_the_command_learns_from_lines_with_a_tab(tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text(f"{READ}\t{TEXT}\n", "utf-8")
    result = CliRunner().invoke(command, [str(pairs), "--out", str(tmp_path / "channel.json")])
    assert result.exit_code == 0, result.output
    assert isinstance(channels.load(tmp_path / "channel.json"), ConfusionChannel)
    pairs.write_text("no tab\n", "utf-8")
    result = CliRunner().invoke(command, [str(pairs)])
    assert "line 1: the line has 1 column; expected in each line what was read, a tab, and the text" in str(
        result.exception
    )
