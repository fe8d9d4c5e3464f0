"""The optional keys of the service: where they come from, and whether a request carries one."""

from __future__ import annotations

import base64
import binascii
import hmac
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from fillmask.errors import InputError

# A browser that is asked for Basic shows a dialogue of its own and sends what was typed with the page's requests too.
CHALLENGE = 'Bearer realm="fillmask", Basic realm="fillmask", charset="UTF-8"'


class ApiKeys:
    """Keys of which a request must carry one: `Authorization: Bearer KEY`, or as the password of Basic with any user."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = [key.encode() for key in keys]

    def accept(self, authorization: bytes | None) -> bool:
        """Whether the header's value carries a key; takes the same time wherever a wrong one differs."""
        scheme, _, value = (authorization or b"").partition(b" ")
        key = value.strip()
        if scheme.lower() == b"basic":
            try:
                key = base64.b64decode(key, validate=True).partition(b":")[2]
            except binascii.Error:
                key = b""
        elif scheme.lower() != b"bearer":
            key = b""
        # Every key is compared, so that the time does not tell which one matches.
        matches = [hmac.compare_digest(key, each) for each in self._keys]
        return any(matches)


def read_keys(
    options: Sequence[str], file: str | None = None, environment: Mapping[str, str] = os.environ
) -> tuple[str, ...]:
    """All keys: those of the options, else that of FILLMASK_API_KEY, and those of a file, one a line.

    Raises:
        InputError: a key is empty or has white space or control characters, or the file cannot be read or has no key.
    """
    keys = [_checked(key, "--api-key") for key in options]
    if not keys and "FILLMASK_API_KEY" in environment:
        keys = [_checked(environment["FILLMASK_API_KEY"], "FILLMASK_API_KEY")]
    path = file if file is not None else environment.get("FILLMASK_API_KEY_FILE")
    if path is not None:
        keys += _read_file(Path(path))
    return tuple(dict.fromkeys(keys))


def _read_file(path: Path) -> list[str]:
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise InputError(f"the file of keys {path} cannot be read: {reason}") from error
    keys = [_checked(line, f"{path} line {number}") for number, line in enumerate(lines, 1) if line]
    if not keys:
        raise InputError(f"the file of keys {path} holds no key; expected one a line")
    return keys


def _checked(key: str, source: str) -> str:
    """The key; a message about one never shows it."""
    if not key:
        raise InputError(f"the key in {source} is empty; leave it out for a service without keys")
    if any(character.isspace() or not character.isprintable() for character in key):
        raise InputError(f"the key in {source} has white space or control characters; expected one word without any")
    try:
        key.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"the key in {source} is not UTF-8") from error
    return key
