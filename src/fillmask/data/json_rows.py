"""JSON as rows: an object a line, an array of objects, or objects one after the other, however they are indented.

Values are kept as they are; NaN and infinities, which Python and pandas write, are read although JSON has none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import chain
from typing import Any

from fillmask.data.files import OpenFile
from fillmask.data.records import Record, RowReader
from fillmask.data.text import LONGEST_LINE, LineReader, ReadOptions, damage
from fillmask.data.values import type_with_article
from fillmask.errors import InputError

_DECODER = json.JSONDecoder()
_HEAD_LINES = 1_000  # of a first object that spans lines
_SPACE = re.compile(r"[ \t\r\n]*")
_NEXT = re.compile(r"[ \t\r\n]*(?:,[ \t\r\n]*)?")


class JsonReader(RowReader):
    """The rows of a JSON file; raw rows are pairs of a line and its text, None for one that is too long, or a value.

    Raises:
        InputError: the file cannot be read, or is JSON but holds no rows.
    """

    def __init__(self, file: OpenFile, options: ReadOptions) -> None:
        super().__init__(file, iter(()))
        reader = LineReader(file, options.encoding)
        self._encoding = reader.encoding
        if _begins_array(file.head.decode(reader.encoding, errors="ignore")):
            self._rows = self._values(reader.chunks())
            return
        lines = iter(reader)
        try:
            head, spans_lines = self._head(lines)
        except BaseException:
            self.close()
            raise
        rest = chain(head, lines)
        self._rows = self._values(rest) if spans_lines else enumerate(rest, start=1)

    def _head(self, lines: Iterator[str | None]) -> tuple[list[str | None], bool]:
        """The first lines, and whether rows span lines: the first object does not end on its first line."""
        head: list[str | None] = []
        text = ""
        for line in lines:
            head.append(line)
            if line is None or len(head) > _HEAD_LINES or len(text) > LONGEST_LINE:
                break
            if not text and not line.lstrip().startswith("{"):
                if line.strip():
                    break
                continue
            text += line
            try:
                _DECODER.raw_decode(text.lstrip())
            except json.JSONDecodeError as error:
                if error.pos < len(text.strip()):  # a line that is broken, and not one that goes on
                    break
            except (ValueError, RecursionError):
                break
            else:
                return head, text.strip().count("\n") > 0
        return head, False

    def _values(self, parts: Iterator[str | None]) -> Iterator[tuple[int, Any]]:
        """The values of an array, or of objects one after the other, numbered from 1."""
        stream = _Stream(self.file.path, self._encoding, parts)
        in_array = stream.skip(_SPACE) and stream.text.startswith("[", stream.place)
        if in_array:
            stream.place += 1
        number = 0
        while stream.skip(_NEXT if number else _SPACE):
            if in_array and stream.text.startswith("]", stream.place):
                stream.place += 1
                if stream.skip(_SPACE):
                    raise InputError(f"{self.file.path}, line {stream.line}: text follows the end of the JSON array")
                return
            number += 1
            yield number, _Value(stream.value())
        if in_array:
            raise InputError(f"{self.file.path} ends within its JSON array: it was cut off; get the whole file")

    def record(self, raw: Any) -> Record:
        line, text = raw
        if isinstance(text, _Value):
            value = text.value
        else:
            if text is None:
                return Record(line, None, f"the line is longer than {LONGEST_LINE >> 20} million characters")
            if (problem := damage(text, self._encoding)) is not None:
                return Record(line, None, problem)
            if not text.strip():
                return Record(line, None)
            try:
                value = json.loads(text)
            except RecursionError:
                return Record(line, None, "not JSON: lists or objects are nested too deep")
            except ValueError as error:
                return Record(line, None, f"not JSON: {error}")
        if not isinstance(value, dict):
            return Record(line, None, f"the JSON is {type_with_article(value)}; expected an object")
        return Record(line, value)


class _Value:
    """A value that is parsed already."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def _begins_array(head: str) -> bool:
    """Whether JSON that begins so is an array of objects, perhaps an empty one."""
    text = head.removeprefix("\ufeff").lstrip()
    return text.startswith("[") and text[1:].lstrip()[:1] in ("{", "]", "")


class _Stream:
    """JSON text from which values are read one after the other.

    Attributes:
        text: what is in memory.
        place: of the next character in it.
        line: of the file, at the next character.
    """

    def __init__(self, path: str, encoding: str, parts: Iterator[str | None]) -> None:
        self._path, self._encoding, self._parts = path, encoding, parts
        self.text, self.place = "", 0
        self._dropped = 1  # lines before the text in memory, plus one

    @property
    def line(self) -> int:
        return self._dropped + self.text.count("\n", 0, self.place)

    def _more(self, size: int) -> bool:
        """Read at least `size` characters more, unless the file ends; False at its end."""
        self._dropped += self.text.count("\n", 0, self.place)
        parts, count = [self.text[self.place :]], 0
        self.place = 0
        while count < size:
            part = next(self._parts, "")
            if part is None:
                raise InputError(f"{self._path}: a line is longer than {LONGEST_LINE >> 20} million characters")
            if not part:
                break
            if (problem := damage(part, self._encoding)) is not None:
                raise InputError(f"{self._path}: the JSON is {problem}; name the encoding with --encoding")
            parts.append(part)
            count += len(part)
        self.text = "".join(parts)
        return count > 0

    def skip(self, pattern: re.Pattern[str]) -> bool:
        """Pass over what a pattern matches; False at the end of the file."""
        while True:
            match = pattern.match(self.text, self.place)
            end = match.end() if match else self.place
            if end < len(self.text):
                self.place = end
                return True
            if not self._more(1 << 16):
                self.place = len(self.text)
                return False

    def value(self) -> Any:
        """The next value.

        Raises:
            InputError: it is not JSON.
        """
        size = 1 << 16
        while True:
            try:
                value, end = _DECODER.raw_decode(self.text, self.place)
            except RecursionError as error:
                raise InputError(f"{self._path}, line {self.line}: lists or objects are nested too deep") from error
            except ValueError as error:
                # More text mends only what ends too early; a value that is wrong in its middle stays so.
                position = getattr(error, "pos", 0)
                near_end = position >= len(self.text) - 16 or "Unterminated" in str(error)
                if near_end and len(self.text) - self.place <= LONGEST_LINE and self._more(size):
                    size *= 2
                    continue
                line = self._dropped + self.text.count("\n", 0, position or self.place)
                reason = getattr(error, "msg", error)
                raise InputError(f"{self._path}, line {line} is not JSON ({reason}); expected objects") from error
            if end == len(self.text) and self._more(size):  # a number may go on
                continue
            self.place = end
            return value
