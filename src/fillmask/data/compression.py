"""Decompression of gzip, xz, bzip2, and Zstandard streams, to the end of the last member.

The standard library's readers and those of `zstandard` differ in what they do where a stream ends: some take a file that
was cut off for a shorter one, some ignore what follows the first member. Here one loop serves every codec: all members
(frames, streams) are read, zero padding between them is passed over, and a stream that ends within a member, or has
other bytes after it, is an error. Knows bytes, not files or text.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import IO, Any, Protocol

from fillmask.errors import InputError, MissingExtraError

SUFFIXES = (".gz", ".xz", ".bz2", ".zst")
MAGIC = {b"\x1f\x8b": ".gz", b"\xfd7zXZ\x00": ".xz", b"BZh": ".bz2", b"\x28\xb5\x2f\xfd": ".zst"}
_INPUT = 1 << 15  # compressed bytes that are read at once
_OUTPUT = 1 << 18  # decompressed bytes that are held
_ZSTD_INPUT = (
    1 << 11
)  # compressed bytes that zstandard gets at once: what they give, at most 128 KiB a block, is in memory


class _Decoder(Protocol):
    """What decodes one member; `bz2.BZ2Decompressor` and `lzma.LZMADecompressor` have this form."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


def compression_of(name: str) -> str:
    """The suffix of `SUFFIXES` that a file's name ends in, or an empty string."""
    lowered = name.lower()
    return next((suffix for suffix in SUFFIXES if lowered.endswith(suffix)), "")


def compression_of_bytes(head: bytes) -> str:
    """The suffix of `SUFFIXES` that stands for the codec whose stream begins with these bytes, or an empty string."""
    return next((suffix for magic, suffix in MAGIC.items() if head.startswith(magic)), "")


def decompressed(raw: IO[bytes], suffix: str, name: str, zstd_window_log: int | None = None) -> io.BufferedReader:
    """The content of a compressed stream.

    Args:
        raw: the compressed bytes.
        suffix: names the codec, one of `SUFFIXES`.
        name: of the file, for messages.
        zstd_window_log: logarithm of the largest window of a Zstandard frame; by default 27 (128 MiB), as for `zstd -d`.

    Raises:
        MissingExtraError: Zstandard, without the extra `data`.
    """
    return io.BufferedReader(_Decompressed(raw, _decoders(suffix, name, zstd_window_log), suffix), _OUTPUT)


def _decoders(suffix: str, name: str, zstd_window_log: int | None) -> Callable[[], _Decoder]:
    match suffix:
        case ".gz":
            return _GzipDecoder
        case ".bz2":
            import bz2

            return bz2.BZ2Decompressor
        case ".xz":
            import lzma

            return lzma.LZMADecompressor
    try:
        import zstandard
    except ImportError as missing:
        raise MissingExtraError(f"{name}: reading .zst", "data") from missing
    window = 1 << zstd_window_log if zstd_window_log else 0
    return lambda: _ZstdDecoder(zstandard, window)


class _GzipDecoder:
    """One member of a gzip stream; zlib checks its length and checksum."""

    def __init__(self) -> None:
        import zlib

        self._decoder = zlib.decompressobj(wbits=31)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        limit = max(max_length, 0)
        content = self._decoder.decompress(self._decoder.unconsumed_tail + data, limit)
        self.needs_input = not self._decoder.unconsumed_tail and not (limit and len(content) == limit)
        return content


class _ZstdDecoder:
    """One frame of a Zstandard stream. `zstandard` has no limit for what one call gives, so its calls are small."""

    def __init__(self, zstandard: Any, window: int) -> None:
        self._error = zstandard.ZstdError
        self._decoder = zstandard.ZstdDecompressor(max_window_size=window).decompressobj()
        self._pending = b""

    @property
    def eof(self) -> bool:
        return bool(self._decoder.eof)

    @property
    def needs_input(self) -> bool:
        return not self._pending

    @property
    def unused_data(self) -> bytes:
        return bytes(self._decoder.unused_data) + self._pending

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        data = self._pending + data
        self._pending = data[_ZSTD_INPUT:]
        try:
            return bytes(self._decoder.decompress(data[:_ZSTD_INPUT]))
        except self._error as error:
            if "too much memory" in str(error):
                raise InputError(
                    "a frame has a window larger than the limit; allow it with --zstd-window 31 (as zstd --long=31)"
                ) from error
            raise ValueError(str(error)) from error


class _Decompressed(io.RawIOBase):
    """The members of a compressed stream one after the other, as raw bytes."""

    def __init__(self, raw: IO[bytes], decoders: Callable[[], _Decoder], suffix: str) -> None:
        self._raw, self._decoders, self._suffix = raw, decoders, suffix
        self._decoder: _Decoder | None = None
        self._members = 0
        self._compressed = b""  # bytes that no decoder has taken yet
        self._content = memoryview(b"")  # decompressed bytes that nobody has taken yet

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._content:
            if self._decoder is None and not self._begin_member():
                return 0
            self._content = memoryview(self._decompress(len(buffer)))
        size = min(len(buffer), len(self._content))
        buffer[:size] = self._content[:size]
        self._content = self._content[size:]
        return size

    def _begin_member(self) -> bool:
        """Whether another member follows."""
        while True:
            if self._members:
                self._compressed = self._compressed.lstrip(b"\0")
            if self._compressed:
                break
            self._compressed = self._raw.read(_INPUT)
            if not self._compressed:
                if self._members:
                    return False
                raise EOFError(f"the file is empty; expected {self._suffix} data")
        self._decoder = self._decoders()
        self._members += 1
        return True

    def _decompress(self, size: int) -> bytes:
        decoder = self._decoder
        assert decoder is not None
        if decoder.needs_input and not self._compressed:
            self._compressed = self._raw.read(_INPUT)
            if not self._compressed:
                raise EOFError(f"the file ends within its {self._suffix} data: it was cut off; get the whole file")
        data, self._compressed = (self._compressed, b"") if decoder.needs_input else (b"", self._compressed)
        try:
            content = decoder.decompress(data, max(size, 1))
        except InputError:
            raise
        except Exception as error:  # each codec has errors of its own
            where = f" after {self._members - 1:,} whole parts" if self._members > 1 else ""
            raise OSError(f"the {self._suffix} data is damaged{where} ({error})") from error
        if decoder.eof:
            self._compressed = decoder.unused_data + self._compressed
            self._decoder = None
        return content

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()
