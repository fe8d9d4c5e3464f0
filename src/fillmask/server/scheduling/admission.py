"""What is let in: a bounded number of items and tokens, of all requests together."""

from __future__ import annotations

from dataclasses import dataclass

from fillmask.server.errors import ApiError, LimitError


@dataclass
class Capacity:
    """A bound that requests share.

    Attributes:
        items, tokens: the most at once.
        item_limit, token_limit: their names in `Limits`.
        retry_after: seconds after which a refused client may try again.
    """

    items: int
    item_limit: str
    tokens: int | None = None
    token_limit: str = ""
    retry_after: int = 1
    used_items: int = 0
    used_tokens: int = 0

    def enter(self) -> Reservation:
        """A place for a request, of one item at first.

        Raises:
            ApiError: there is none.
        """
        place = Reservation(self)
        place.grow(items=1)
        return place


class Reservation:
    """What one request takes of a room; to be left when it is answered."""

    def __init__(self, room: Capacity) -> None:
        self._room = room
        self.items = 0
        self.tokens = 0

    def grow(self, *, items: int = 0, tokens: int = 0) -> None:
        """Take more.

        Raises:
            LimitError: the request by itself is larger than the room.
            ApiError: there is no room for it now.
        """
        room = self._room
        if self.items + items > room.items:
            raise LimitError(room.item_limit, room.items, f"the request has {self.items + items:,} texts")
        if room.tokens is not None and self.tokens + tokens > room.tokens:
            raise LimitError(room.token_limit, room.tokens, f"the request has {self.tokens + tokens:,} tokens")
        if room.used_items + items > room.items:
            raise self._full(f"{room.used_items:,} of {room.items:,} places ({room.item_limit}) are taken")
        if room.tokens is not None and room.used_tokens + tokens > room.tokens:
            raise self._full(f"{room.used_tokens:,} of {room.tokens:,} tokens ({room.token_limit}) are waiting")
        self.items += items
        self.tokens += tokens
        room.used_items += items
        room.used_tokens += tokens

    def _full(self, why: str) -> ApiError:
        after = {"Retry-After": str(self._room.retry_after)}
        return ApiError("overloaded", f"the service is busy: {why}; try again in {after['Retry-After']} s", after)

    def leave(self) -> None:
        """Give all of it back."""
        self._room.used_items -= self.items
        self._room.used_tokens -= self.tokens
        self.items = self.tokens = 0
