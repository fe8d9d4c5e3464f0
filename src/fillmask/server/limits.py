"""How much one request may ask for, how slow a client may be, and how much may wait: every bound of the service by name.

The names are those of `GET /info` and of `fillmask serve --limit NAME=VALUE`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

from fillmask.errors import InputError


@dataclass(frozen=True)
class Limits:
    """Bounds of a request, of a connection, and of everything that waits.

    Attributes:
        max_body_bytes: bytes of a request's body, and of what a gzip body unpacks to.
        max_header_bytes: bytes of a request's first line and headers, trailers included.
        max_json_depth: lists and objects inside each other in a body.
        max_json_values: values and keys of a body, whatever their place.
        max_texts: texts of one request.
        max_text_characters: characters of one text to fill, score or classify.
        max_document_characters: characters of one document to restore, its markup included.
        max_masks: masks of one request.
        max_top_k: answers for one mask.
        max_targets: words to choose from, in one request.
        max_target_characters: characters of one of them, or of a reading that is given.
        max_holes: holes of one document.
        max_readings: readings of one hole.
        max_model_tokens: tokens that the model would read for one request; a scored text counts once for each of its tokens.
        max_answer_characters: characters of the filled texts of one request: masks × top_k × characters of the text.
        max_connections: open connections. Beyond it the one that has waited longest without a request is closed.
        queue_items: texts to fill that are in work or wait, of all requests.
        queue_tokens: their tokens.
        queue_jobs: texts to score or classify that are in work or wait, of all requests.
        queue_job_tokens: tokens that the model would read for them.
        queue_documents: documents to restore that are in work or wait, of all requests.
        queue_body_bytes: bytes of all bodies that arrive or are in work. Beyond it the largest bodies are refused.
        max_seconds: the longest deadline that a request can ask for.
        header_seconds: time for a request's first line and headers, from the opening of the connection.
        body_start_seconds: time from the headers to the first byte of the body.
        body_seconds: time for the whole body.
        write_seconds: time for a client to read an answer, with `min_bytes_per_second` for long ones.
        min_bytes_per_second: the rate at which a body must arrive after `body_start_seconds`, and at which an answer
            must be read after `write_seconds`.
    """

    max_body_bytes: int = 1 << 20
    max_header_bytes: int = 32_768
    max_json_depth: int = 16
    max_json_values: int = 10_000
    max_texts: int = 128
    max_text_characters: int = 20_000
    max_document_characters: int = 100_000
    max_masks: int = 128
    max_top_k: int = 100
    max_targets: int = 1_000
    max_target_characters: int = 100
    max_holes: int = 200
    max_readings: int = 50
    max_model_tokens: int = 1_000_000
    max_answer_characters: int = 4_000_000
    max_connections: int = 1_000
    queue_items: int = 512
    queue_tokens: int = 262_144
    queue_jobs: int = 256
    queue_job_tokens: int = 4_000_000
    queue_documents: int = 16
    queue_body_bytes: int = 64 << 20
    max_seconds: int = 600
    header_seconds: int = 10
    body_start_seconds: int = 5
    body_seconds: int = 30
    write_seconds: int = 30
    min_bytes_per_second: int = 4_096

    def with_settings(self, settings: Iterable[str]) -> Limits:
        """Limits with some changed, each written NAME=VALUE.

        Raises:
            InputError: no such name, or a value that is no whole number above 0.
        """
        names = [field.name for field in fields(self)]
        changes: dict[str, int] = {}
        for setting in settings:
            name, equals, value = setting.partition("=")
            if not equals or name not in names:
                raise InputError(f"--limit is {setting!r}; expected NAME=VALUE with one of {', '.join(names)}")
            if not (value.isascii() and value.isdecimal() and len(value) < 16 and int(value) > 0):
                raise InputError(f"--limit {name} is {value!r}; expected a whole number above 0")
            changes[name] = int(value)
        return replace(self, **changes)
