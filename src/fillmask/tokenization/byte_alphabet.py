"""The alphabet of byte-level BPE: the printable character that stands for each byte (GPT-2's table)."""

from __future__ import annotations

_PRINTABLE = (*range(33, 127), *range(161, 173), *range(174, 256))
_OTHERS = tuple(byte for byte in range(256) if byte not in _PRINTABLE)

# Byte of each character: printable bytes stand for themselves, the others for the characters from 256 on.
BYTE_OF_CHARACTER: dict[str, int] = {chr(byte): byte for byte in _PRINTABLE} | {
    chr(256 + number): byte for number, byte in enumerate(_OTHERS)
}


def bytes_of(token: str) -> bytes | None:
    """The bytes that a token of byte-level BPE spells; None for one with a character outside the alphabet."""
    if any(character not in BYTE_OF_CHARACTER for character in token):
        return None
    return bytes(BYTE_OF_CHARACTER[character] for character in token)
