"""Pairs of what was read and the text as it is: a file of lines with a tab, or JSON lines with `ocr` and `text`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from fillmask.errors import CorpusError

JSON_LINES = (".jsonl", ".ndjson")


def read_pairs(path: Path) -> Iterator[tuple[str, str]]:
    """What was read, and the text, of each pair.

    Raises:
        CorpusError: a line is no pair, or the file cannot be read.
    """
    is_json = path.suffix.lower() in JSON_LINES
    number = 1
    try:
        with open(path, encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):  # noqa: B007 - the error names it
                if line.strip():
                    yield _from_json(line) if is_json else _from_columns(line)
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        expected = '{"ocr": "…", "text": "…"}' if is_json else "what was read, a tab, and the text as it is"
        raise CorpusError(f"{path}, line {number}: {what}; expected in each line {expected}") from error


def _from_json(line: str) -> tuple[str, str]:
    row = json.loads(line)
    observed, text = row["ocr"], row["text"]
    if not isinstance(observed, str) or not isinstance(text, str):
        raise ValueError("ocr and text are not both strings")
    return observed, text


def _from_columns(line: str) -> tuple[str, str]:
    columns = line.rstrip("\r\n").split("\t")
    if len(columns) != 2:
        raise ValueError(f"the line has {len(columns)} column{'s' * (len(columns) != 1)}")
    return columns[0], columns[1]
