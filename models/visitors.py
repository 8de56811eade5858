"""What one visitor made and may use again: kept on the server for a while, under a secret token.

A value is given back only for its token, which nobody can guess; when there are too many, the one
that was put or asked for longest ago goes first, and none lives longer than an age. Nothing is
written to disk: with the server all of it is gone.

Convention: times are seconds of a clock that never runs backwards; age counts from the time of
putting, asking does not prolong it.

Source: tokens as in the Python library's `secrets`, 12 bytes, so 2^96 of them.
"""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")

MOST = 24
SECONDS = 3600.0
TOKEN_BYTES = 12  # 16 characters


class Kept(Generic[T]):
    """A few values under tokens, for threads that put and get at the same time.

    Args:
        most: Largest number of values, at least 1.
        seconds: Largest age, above 0.
        clock: Returns the time in seconds.

    Raises:
        ValueError: If most or seconds is outside its domain.
    """

    def __init__(
        self,
        most: int = MOST,
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if most < 1:
            raise ValueError(f"most must be at least 1, got {most}")
        if not seconds > 0:
            raise ValueError(f"seconds must be above 0, got {seconds}")
        self.most, self.seconds = most, seconds
        self._clock = clock
        self._lock = Lock()
        self._held: OrderedDict[str, tuple[float, T]] = OrderedDict()  # time of putting, value

    def put(self, value: T) -> str:
        """Keep a value and return its token, 16 characters that are safe in an address."""
        token = secrets.token_urlsafe(TOKEN_BYTES)
        with self._lock:
            self._forget_old()
            self._held[token] = (self._clock(), value)
            while len(self._held) > self.most:
                self._held.popitem(last=False)
        return token

    def get(self, token: str) -> T | None:
        """Return the value of a token; nothing if there is none, or none any more."""
        with self._lock:
            self._forget_old()
            found = self._held.get(token)
            if found is None:
                return None
            self._held.move_to_end(token)
            return found[1]

    def __len__(self) -> int:
        """Return how many values are kept at present."""
        with self._lock:
            self._forget_old()
            return len(self._held)

    def _forget_old(self) -> None:
        oldest = self._clock() - self.seconds
        for token in [token for token, (put, _) in self._held.items() if put < oldest]:
            del self._held[token]
