"""Every codec is read to its end: whole members, all of them, and nothing that was cut off."""

import bz2
import gzip
import io
import lzma
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillmask.data.compression import compression_of, compression_of_bytes, decompressed
from fillmask.errors import InputError

Compress = Callable[[bytes], bytes]


def zstd(data: bytes) -> bytes:
    zstandard = pytest.importorskip("zstandard", reason="zstd needs the data extra")
    return bytes(zstandard.ZstdCompressor(write_checksum=True).compress(data))


CODECS = [(".gz", gzip.compress), (".xz", lzma.compress), (".bz2", bz2.compress), (".zst", zstd)]
every_codec = pytest.mark.parametrize(("suffix", "compress"), CODECS)
TEXT = b"".join(b"%d is a line of text\n" % number for number in range(300))


def read(data: bytes, suffix: str, window: int | None = None) -> bytes:
    return decompressed(io.BytesIO(data), suffix, f"file{suffix}", window).read()


@every_codec
def test_all_members_are_read(suffix: str, compress: Compress) -> None:
    assert read(compress(TEXT) + compress(b"") + compress(TEXT), suffix) == TEXT + TEXT
    assert read(compress(TEXT) + bytes(8) + compress(TEXT) + bytes(4), suffix) == TEXT + TEXT  # padding


@every_codec
def test_each_cut_within_a_member_is_an_error(suffix: str, compress: Compress) -> None:
    first = compress(TEXT[:600])
    data = first + compress(TEXT[600:700])
    assert read(data, suffix) == TEXT[:700]
    for end in range(len(data)):
        if end == len(first):  # nothing tells that there was more
            continue
        with pytest.raises((EOFError, OSError), match=r"cut off|is empty"):
            read(data[:end], suffix)


@every_codec
@pytest.mark.parametrize("extra", [b"junk that is no member", bytes(4) + b"x" * 20])
def test_what_follows_and_is_no_member_is_an_error(suffix: str, compress: Compress, extra: bytes) -> None:
    with pytest.raises(OSError, match="is damaged after 1 whole parts"):
        read(compress(TEXT) + extra, suffix)


@every_codec
def test_a_changed_byte_is_an_error(suffix: str, compress: Compress) -> None:
    data = bytearray(compress(TEXT))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises((OSError, EOFError)):
        read(bytes(data), suffix)


def test_a_long_window_has_an_option() -> None:
    zstandard = pytest.importorskip("zstandard", reason="zstd needs the data extra")
    parameters = zstandard.ZstdCompressionParameters(window_log=28, enable_ldm=True)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    data = compressor.compress(TEXT) + compressor.flush()
    with pytest.raises(InputError, match="--zstd-window 31"):
        read(data, ".zst")
    assert read(data, ".zst", 28) == TEXT


@every_codec
def test_little_input_that_gives_much_is_read_in_parts(suffix: str, compress: Compress) -> None:
    stream = decompressed(io.BytesIO(compress(bytes(3 << 20))), suffix, "file")
    sizes = iter(lambda: len(stream.read1(1 << 16)), 0)
    assert sum(sizes) == 3 << 20


@given(parts=st.lists(st.binary(max_size=200), min_size=1, max_size=4), size=st.integers(1, 50))
def test_any_members_read_in_any_steps(parts: list[bytes], size: int) -> None:
    for suffix, compress in CODECS[:3]:
        stream = decompressed(io.BytesIO(b"".join(map(compress, parts))), suffix, "file")
        assert b"".join(iter(lambda stream=stream: stream.read(size), b"")) == b"".join(parts)


def test_names_and_magic_numbers() -> None:
    assert compression_of("a.csv.GZ") == ".gz"
    assert compression_of("a.csv") == ""
    for suffix, compress in CODECS:
        assert compression_of_bytes(compress(TEXT)) == suffix
    assert compression_of_bytes(TEXT) == ""
