"""What is let in: a bounded number of items, tokens and bytes, of all requests together."""

from __future__ import annotations

from dataclasses import dataclass

from fillmask.server.errors import ApiError, LimitError


@dataclass
class Capacity:
    """A bound that requests share.

    Attributes:
        items, tokens: the largest number at once.
        item_limit, token_limit: their names in `Limits`.
        retry_after: seconds after which a refused client may try again.
        used_items, used_tokens: what all reservations hold.
    """

    items: int
    item_limit: str
    tokens: int | None = None
    token_limit: str = ""
    retry_after: int = 1
    used_items: int = 0
    used_tokens: int = 0

    def check(self) -> None:
        """Refuse a request that would find no place now, before anything is done for it.

        Raises:
            ApiError: every place is taken.
        """
        if self.used_items >= self.items:
            raise self.full(f"{self.used_items:,} of {self.items:,} places ({self.item_limit}) are taken")

    def reserve(self) -> Reservation:
        """A place for a request, of one item at first.

        Raises:
            ApiError: there is none.
        """
        reservation = Reservation(self)
        reservation.grow(items=1)
        return reservation

    def full(self, reason: str) -> ApiError:
        """The refusal of a request for want of room."""
        headers = {"Retry-After": str(self.retry_after)}
        return ApiError("overloaded", f"the service is busy: {reason}; try again in {self.retry_after} s", headers)


class Reservation:
    """What one request holds of a capacity; to be released when it is answered."""

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self.items = 0
        self.tokens = 0

    def grow(self, *, items: int = 0, tokens: int = 0) -> None:
        """Take more.

        Raises:
            LimitError: the request by itself is larger than the capacity.
            ApiError: there is no room for it now.
        """
        capacity = self._capacity
        if self.items + items > capacity.items:
            raise LimitError(capacity.item_limit, capacity.items, f"the request has {self.items + items:,} texts")
        if capacity.tokens is not None and self.tokens + tokens > capacity.tokens:
            raise LimitError(capacity.token_limit, capacity.tokens, f"the request has {self.tokens + tokens:,} tokens")
        if capacity.used_items + items > capacity.items:
            raise capacity.full(
                f"{capacity.used_items:,} of {capacity.items:,} places ({capacity.item_limit}) are taken"
            )
        if capacity.tokens is not None and capacity.used_tokens + tokens > capacity.tokens:
            raise capacity.full(
                f"{capacity.used_tokens:,} of {capacity.tokens:,} tokens ({capacity.token_limit}) are waiting"
            )
        self.items += items
        self.tokens += tokens
        capacity.used_items += items
        capacity.used_tokens += tokens

    def release(self) -> None:
        """Give all of it back."""
        self._capacity.used_items -= self.items
        self._capacity.used_tokens -= self.tokens
        self.items = self.tokens = 0


@dataclass
class BodyCapacity:
    """The bytes of all bodies that arrive or are in work.

    Slow or large bodies cannot keep small ones out: where the bytes are used up, only a body that is larger than an
    equal share of them is refused.
    """

    limit: int
    bytes: int = 0
    bodies: int = 0

    def open(self) -> BodyShare:
        """The share of one more body."""
        self.bodies += 1
        return BodyShare(self)


class BodyShare:
    """What the body of one request holds of a `BodyCapacity`."""

    def __init__(self, capacity: BodyCapacity) -> None:
        self._capacity = capacity
        self._open = True
        self.bytes = 0

    def grow(self, size: int) -> None:
        """Take `size` bytes more.

        Raises:
            ApiError: the bytes are used up, and this body has more than its share.
        """
        capacity = self._capacity
        self.bytes += size
        capacity.bytes += size
        if capacity.bytes > capacity.limit and self.bytes * capacity.bodies > capacity.limit:
            raise ApiError(
                "overloaded",
                f"the service is busy: bodies of {capacity.limit:,} bytes (queue_body_bytes) are in work, and this is one"
                " of the largest; try again in 1 s",
                {"Retry-After": "1"},
            )

    def release(self) -> None:
        """Give all of it back."""
        if self._open:
            self._open = False
            self._capacity.bytes -= self.bytes
            self._capacity.bodies -= 1
