"""Time in Redis as a test has it: no window ends in the middle of a test by chance."""

import redis

from gateway.limits.redis_store import SCRIPT

HOUR_MS = 3_600_000


def timed(script: str) -> str:
    """The script as it is, but for whom it asks what time it is."""
    asked = "redis.call('TIME')"
    assert script.count(asked) == 1
    return script.replace(asked, "redis.call('HMGET', 'clock', 's', 'us')")


TIMED_SCRIPT = timed(SCRIPT)


class RedisClock:
    """Seconds of Redis and of its workers, which pass when told; at first an hour begins."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._now_ms = 500_000 * HOUR_MS
        self._tell()

    def __call__(self) -> float:
        return self._now_ms / 1000

    def move(self, seconds: float) -> None:
        """Back as well; by nothing, to tell a Redis that was started anew."""
        self._now_ms += round(seconds * 1000)
        self._tell()

    def next_second(self) -> None:
        self._now_ms += 1000 - self._now_ms % 1000
        self._tell()

    def _tell(self) -> None:
        seconds, milliseconds = divmod(self._now_ms, 1000)
        self._client.hset("clock", mapping={"s": seconds, "us": milliseconds * 1000})
