"""What a client is told beside its answer: one header, whose value is a JSON array of texts in ASCII."""

from __future__ import annotations

import json
from collections.abc import Sequence

HEADER = "Fillmask-Warning"
_MOST = 20  # messages by name, as many as `FillMask` warns of
_CHARACTERS = 3000  # of the value: proxies refuse an answer whose headers are long
_BEGIN, _END = 100, 120  # characters of a message that is longer than both


def header(messages: Sequence[str]) -> str:
    """The header's value for what was said of targets; where that is much, the last counts what is left out.

    Characters outside ASCII, and control characters, are escaped as JSON does.
    """
    shown: list[str] = []
    length = 0
    for message in messages[:_MOST]:
        if len(message) > _BEGIN + _END:
            message = f"{message[:_BEGIN]}…{message[-_END:]}"
        length += len(json.dumps(message)) + 2
        if shown and length > _CHARACTERS:
            break
        shown.append(message)
    if len(messages) > len(shown):
        shown.append(f"{len(messages) - len(shown):,} more targets do not exist in the model vocabulary.")
    # DEL is ASCII and no part of a header's value, and JSON lets it stand.
    return json.dumps(shown).replace("\x7f", "\\u007f")
