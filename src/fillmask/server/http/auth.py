"""The optional key of the service."""

from __future__ import annotations

import base64
import binascii
import hmac

# A browser asked for Basic shows its own dialogue and sends what was typed with the page's requests too.
CHALLENGE = 'Bearer realm="fillmask", Basic realm="fillmask", charset="UTF-8"'


class ApiKeys:
    """A key that requests must carry: `Authorization: Bearer KEY`, or as the password of Basic with any user name."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    def opens(self, authorization: bytes | None) -> bool:
        """Whether the header's value carries the key; takes the same time wherever a wrong one differs."""
        scheme, _, value = (authorization or b"").partition(b" ")
        given = value.strip()
        if scheme.lower() == b"basic":
            try:
                given = base64.b64decode(given, validate=True).partition(b":")[2]
            except binascii.Error:
                given = b""
        elif scheme.lower() != b"bearer":
            given = b""
        return hmac.compare_digest(given, self._key)
