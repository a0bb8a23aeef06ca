"""How often one key, account or address may ask."""

from __future__ import annotations

import time
from collections import OrderedDict

from gatllm.service.errors import ApiError

_REMEMBERED = 10_000  # clients; who is forgotten begins anew


class Rates:
    """A bucket for each client: it holds ``burst`` requests and is filled with ``a_minute``. 0 a minute: no limit.

    It counts in this process; several workers behind a proxy allow as much each.
    """

    def __init__(self, a_minute: float = 0, burst: int | None = None) -> None:
        self.a_minute = a_minute
        self.burst = burst or max(1, int(a_minute / 4))
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # left, and when that was

    def take(self, client: str) -> None:
        """Count one request.

        Raises:
            ApiError: there were too many.
        """
        if self.a_minute <= 0:
            return
        now = time.monotonic()
        left, then = self._buckets.pop(client, (float(self.burst), now))
        left = min(self.burst, left + (now - then) * self.a_minute / 60)
        refused = left < 1
        self._buckets[client] = (left if refused else left - 1, now)
        while len(self._buckets) > _REMEMBERED:
            self._buckets.popitem(last=False)
        if refused:
            seconds = max(1, round((1 - left) * 60 / self.a_minute))
            raise ApiError(
                429,
                f"Rate limit reached: {self.a_minute:g} requests a minute. Please try again in {seconds}s.",
                code="rate_limit_exceeded",
                headers={"retry-after": str(seconds)},
            )
