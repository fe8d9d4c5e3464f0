"""Messages between the processes: whole, in order, in any pieces, from any thread."""

from __future__ import annotations

import io
import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillmask.server.worker.wire import Channel, FrameReader, JobDone, Ping, encode_frame


def test_frames_arrive_in_any_pieces() -> None:
    messages = [{"a": 1}, "text", list(range(500))]
    data = b"".join(map(encode_frame, messages))
    for size in (1, 3, 7, len(data)):
        frames = FrameReader()
        found = [m for start in range(0, len(data), size) for m in frames.feed(data[start : start + size])]
        assert found == messages


@given(st.lists(st.binary(max_size=200), max_size=8), st.data())
def test_any_messages_in_any_pieces(bodies: list[bytes], data: st.DataObject) -> None:
    messages = [JobDone(number, body, 0.5) for number, body in enumerate(bodies)]
    stream = b"".join(map(encode_frame, messages))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    reader = FrameReader()
    received = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        received += reader.feed(stream[start:end])
    assert received == messages


def test_a_channel_reads_what_the_other_end_wrote_until_it_closes() -> None:
    stream = io.BytesIO(encode_frame(Ping(1)) + encode_frame(Ping(2)))
    channel = Channel(stream, io.BytesIO())
    assert [channel.receive() for _ in range(3)] == [Ping(1), Ping(2), None]


@pytest.mark.parametrize("missing", [1, 3, 10])
def test_a_message_that_breaks_off_is_the_end(missing: int) -> None:
    channel = Channel(io.BytesIO(encode_frame(Ping(1))[:-missing]), io.BytesIO())
    assert channel.receive() is None


def test_threads_do_not_write_into_each_others_messages() -> None:
    source, sink = os.pipe()
    with os.fdopen(source, "rb") as reading, os.fdopen(sink, "wb", buffering=0) as writing:
        channel = Channel(reading, writing)
        messages = [JobDone(number, bytes([number]) * 300_000, 0.0) for number in range(8)]
        threads = [threading.Thread(target=channel.send, args=(message,)) for message in messages]
        for thread in threads:
            thread.start()
        received = [channel.receive() for _ in messages]
        for thread in threads:
            thread.join()
    assert sorted(received, key=lambda message: message.number) == messages
