"""Quantiles of any number of durations in fixed memory."""

from collections import Counter
from math import ceil, log

# Every bucket is 2 % wider than the one before, so a quantile is within 1 % of the true one.
_GROWTH = log(1.02)
# From a microsecond to about three hours, in milliseconds: some 1,170 buckets.
_LOWEST_MS, _HIGHEST_MS = 0.001, 1e7


class Histogram:
    """Durations in milliseconds, counted in buckets that grow geometrically."""

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self._least = float("inf")
        self._most = 0.0
        self.count = 0
        self.total = 0.0

    def add(self, duration_ms: float) -> None:
        """Count one duration. What lies outside the range counts as its nearest end."""
        clamped = min(max(duration_ms, _LOWEST_MS), _HIGHEST_MS)
        self._buckets[ceil(log(clamped) / _GROWTH)] += 1
        self._least = min(self._least, clamped)
        self._most = max(self._most, clamped)
        self.count += 1
        self.total += duration_ms

    def quantile(self, part: float) -> float | None:
        """The duration that this part of all does not exceed, within 1 %; None without any."""
        wanted, seen = part * self.count, 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= wanted:
                middle: float = 1.02 ** (bucket - 0.5)
                return min(max(middle, self._least), self._most)
        return None
