"""The text of a document's bytes: UTF-8, or as a byte order mark or an XML declaration says."""

from __future__ import annotations

import re

from fillmask.errors import InputError

_DECLARED = re.compile(rb"\s*<\?xml[^>]*?encoding\s*=\s*[\"']([\w.:-]+)[\"']")


def decoded(data: bytes, name: str) -> str:
    """The text.

    Args:
        name: what errors call the document.

    Raises:
        InputError: bytes that are not in that encoding.
    """
    encoding = "utf-8-sig"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif declared := _DECLARED.match(data):
        named = declared[1].decode("ascii")
        encoding = "utf-8-sig" if named.lower() in ("utf-8", "utf8") else named
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name} is not {error.encoding} at byte {error.start}; convert it, for instance with iconv -t utf-8"
        ) from None
    except LookupError:
        raise InputError(f"{name} says that it is in {encoding}, which is not known; convert it to utf-8") from None
