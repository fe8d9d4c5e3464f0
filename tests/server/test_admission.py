"""What is let in: items, tokens, and bytes of all requests together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillmask.server.errors import ApiError, LimitError
from fillmask.server.scheduling.admission import BodyCapacity, Capacity


def test_a_capacity_is_shared() -> None:
    capacity = Capacity(4, "queue_items", 100, "queue_tokens")
    first = capacity.reserve()
    first.grow(items=2, tokens=60)
    second = capacity.reserve()
    with pytest.raises(ApiError, match="queue_items") as full:
        capacity.reserve()
    assert (full.value.status, full.value.headers) == (429, {"Retry-After": "1"})
    with pytest.raises(ApiError, match="queue_tokens"):
        second.grow(tokens=41)
    with pytest.raises(LimitError, match="queue_tokens"):
        second.grow(tokens=101)
    first.release()
    first.release()
    second.grow(items=3, tokens=100)
    second.release()
    assert (capacity.used_items, capacity.used_tokens) == (0, 0)


def test_a_full_capacity_refuses_before_anything_is_read() -> None:
    capacity = Capacity(1, "queue_documents", retry_after=5)
    capacity.check()
    reservation = capacity.reserve()
    with pytest.raises(ApiError, match="queue_documents") as refusal:
        capacity.check()
    assert (refusal.value.status, refusal.value.headers) == (429, {"Retry-After": "5"})
    reservation.release()
    capacity.check()


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6), st.integers(0, 60), st.booleans()), max_size=40))
def test_what_is_held_is_what_the_reservations_hold(steps: list[tuple[int, int, int, bool]]) -> None:
    """Whatever is taken, refused, and released, in any order."""
    capacity = Capacity(10, "queue_items", 100, "queue_tokens")
    reservations = {}
    for number, items, tokens, releases in steps:
        try:
            if number not in reservations:
                reservations[number] = capacity.reserve()
            reservations[number].grow(items=items, tokens=tokens)
        except (ApiError, LimitError):
            pass
        if releases and number in reservations:
            reservations.pop(number).release()
        assert capacity.used_items == sum(each.items for each in reservations.values()) <= 10
        assert capacity.used_tokens == sum(each.tokens for each in reservations.values()) <= 100


def test_large_bodies_do_not_keep_small_ones_out() -> None:
    capacity = BodyCapacity(1000)
    large = [capacity.open() for _ in range(3)]
    for share in large[:2]:
        share.grow(450)
    with pytest.raises(ApiError, match="queue_body_bytes") as refusal:
        large[2].grow(450)
    assert refusal.value.status == 429
    capacity.open().grow(100)
    for share in large:
        share.release()
        share.release()
    assert (capacity.bytes, capacity.bodies) == (100, 1)
