"""An automaton over characters as one over the bytes of UTF-8.

A token of byte-level BPE may be half a character, so its states are those of
the automaton, each with what has been read of a character: nothing, the first
bytes of one that has a class of its own, or those of any other. Bytes that
UTF-8 does not allow lead nowhere.
"""

from __future__ import annotations

import sys

import numpy as np
import numpy.typing as npt

from fillmask.restore.decoding.automaton import DEAD, OTHER, OTHER_WHITE, Automaton

# Characters that are white, and so not part of a word.
WHITE = tuple(chr(c) for c in range(sys.maxunicode + 1) if chr(c).isspace())

# What is left to read of a character: how many bytes, and the range of the next.
_Rest = tuple[int, int, int]


def _lead(byte: int) -> _Rest | None:
    if 0xC2 <= byte <= 0xDF:
        return 1, 0x80, 0xBF
    if 0xE0 <= byte <= 0xEF:
        return 2, 0xA0 if byte == 0xE0 else 0x80, 0x9F if byte == 0xED else 0xBF
    if 0xF0 <= byte <= 0xF4:
        return 3, 0x90 if byte == 0xF0 else 0x80, 0x8F if byte == 0xF4 else 0xBF
    return None


def byte_table(
    automaton: Automaton, *, ascii_only: bool = False
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """The automaton's table over bytes; `ascii_only` leaves out characters of more than one byte, other than known ones.

    Returns:
        The state after each byte, (states, 256), and the state of each of the automaton's states with nothing half
        read, (automaton's states,). State 0 is still the one without a way out.
    """
    own = {c.encode(): n for n, c in enumerate(automaton.classes) if len(c) == 1}
    white = automaton.classes.index(OTHER_WHITE)
    special = {c.encode(): white for c in WHITE if not ascii_only or c.isascii()} | own
    other = automaton.classes.index(OTHER)
    prefixes = {code[:length] for code in special for length in range(1, len(code))}

    # Kinds of half-read characters, and for each (kind, byte) the next kind or the class of the character.
    kinds: dict[bytes | _Rest, int] = {b"": 0}
    queue: list[bytes | _Rest] = [b""]
    rests: dict[bytes | _Rest, _Rest] = {}
    following: list[npt.NDArray[np.int32]] = []
    complete: list[npt.NDArray[np.int32]] = []

    def kind(read: bytes | None, rest: _Rest) -> int:
        key: bytes | _Rest = read if read is not None and read in prefixes else rest
        if key not in kinds:
            kinds[key] = len(kinds)
            rests[key] = rest
            queue.append(key)
        return kinds[key]

    while queue:
        key = queue.pop(0)
        to_kind, to_class = np.full(256, -1, np.int32), np.full(256, -1, np.int32)
        for byte in range(256):
            read = key + bytes([byte]) if isinstance(key, bytes) else None
            if key == b"":
                if byte < 0x80:
                    to_class[byte] = special.get(bytes([byte]), other)
                elif (rest := _lead(byte)) is not None and (not ascii_only or read in prefixes):
                    to_kind[byte] = kind(read, rest)
                continue
            need, low, high = rests[key]
            if low <= byte <= high and (not ascii_only or read in prefixes or read in special):
                if need == 1:
                    to_class[byte] = other if read is None else special.get(read, other)
                else:
                    to_kind[byte] = kind(read, (need - 1, 0x80, 0xBF))
        following.append(to_kind)
        complete.append(to_class)

    states, count = len(automaton.table), len(kinds)
    table = np.zeros((states, count, 256), np.int32)
    for number, (to_kind, to_class) in enumerate(zip(following, complete, strict=True)):
        ends = to_class >= 0
        reached = automaton.table[:, to_class[ends]]
        table[:, number, ends] = np.where(reached == DEAD, DEAD, reached * count)
        goes = to_kind >= 0
        table[:, number, goes] = np.arange(states)[:, None] * count + to_kind[goes]
    table[DEAD] = DEAD
    return _without_traps(table.reshape(states * count, 256), np.arange(states, dtype=np.int32) * count)


def _without_traps(
    table: npt.NDArray[np.int32], plain: npt.NDArray[np.int32]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Half-read characters that cannot be completed in their state lead nowhere."""
    alive = np.zeros(len(table), bool)
    alive[plain[1:]] = True
    for _ in range(3):  # a character has four bytes at most
        alive |= alive[table].any(axis=1)
    alive[DEAD] = False
    numbers = np.zeros(len(table), np.int32)
    kept = np.flatnonzero(alive)
    numbers[kept] = np.arange(1, len(kept) + 1)
    rows = np.concatenate([[DEAD], kept])
    return numbers[table[rows]], numbers[plain]
