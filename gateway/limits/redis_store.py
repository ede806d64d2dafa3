"""All limits of a call in one round trip to Redis (`charge.lua`), on one kept connection."""

import hashlib
import secrets
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from config.plans import Plan
from gateway.limits.kept_connection import KeptConnection
from gateway.limits.store import Outcome, StoreUnavailable, window_limits

SCRIPT = Path(__file__).with_name("charge.lua").read_text(encoding="utf-8")
# Redis names scripts by SHA-1; nothing rests on it.
SCRIPT_SHA = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()
OWED_AT_MOST = 1000


def connection_options(timeout_s: float) -> dict[str, Any]:
    """Options for the Redis client, or for the storage that makes it: one attempt, `timeout_s`.

    redis-py's own retries block for seconds on a dead server and may charge twice. With RESP 2
    and no client info a new connection needs no round trip of its own.
    """
    return {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        "driver_info": None,
    }


class RedisLimits:
    """Exact over all processes that share the Redis.

    Args:
        client: made with `connection_options`; only its connection pool is used.
        lease_ttl_s: how long a concurrent call of a killed worker counts.
    """

    def __init__(self, client: Redis, lease_ttl_s: float = 30.0) -> None:
        self._connection = KeptConnection(client, SCRIPT)
        self._lease_ttl_ms = round(lease_ttl_s * 1000)
        # Bounded, because leases expire by themselves.
        self._owed: deque[tuple[str, str]] = deque(maxlen=OWED_AT_MOST)
        self._unsettled = False

    def charge(self, partner: str, plan: Plan, rows: int) -> Outcome:
        lease = secrets.token_hex(8)
        try:
            reply = self._connection.ask(*self._command("charge", partner, plan, rows, lease))
        except StoreUnavailable:
            # If it was charged after all, nobody will give this lease back.
            self._owed.append((partner, lease))
            raise
        return _outcome(reply, None if reply[0] else lease)

    def charge_failed_call(
        self, partner: str, plan: Plan, on_outcome: Callable[[Outcome], None]
    ) -> None:
        command = self._command("failed", partner, plan)
        self._connection.tell(lambda reply: on_outcome(_outcome(reply)), *command)
        self._unsettled = True

    def settle(self) -> None:
        # Not for a lease given back: its reply comes in with that of the next charge.
        if self._unsettled:
            self._unsettled = False
            self._connection.read_outstanding()

    def peek(self, partner: str, plan: Plan) -> Outcome:
        return _outcome(self._connection.ask(*self._command("peek", partner, plan)))

    def release(self, partner: str, lease: str) -> None:
        self._owed.append((partner, lease))
        # Connecting is not worth the wait: the next call or ping does it.
        if self._connection.is_open:
            self._give_back_leases()

    def ping(self) -> None:
        self._connection.ask("PING")
        self._give_back_leases()

    def _give_back_leases(self) -> None:
        while self._owed:
            partner, lease = self._owed.popleft()
            try:
                self._connection.tell(_ignore, "ZREM", _leases_key(partner), lease)
            except StoreUnavailable:
                self._owed.append((partner, lease))
                return

    def _command(
        self, mode: str, partner: str, plan: Plan, rows: int = 0, lease: str = ""
    ) -> tuple[str | int, ...]:
        keys = (f"limits:{{{partner}}}:windows", _leases_key(partner))
        limits = (plan.max_concurrent_calls, *window_limits(plan))
        return ("EVALSHA", SCRIPT_SHA, 2, *keys, mode, rows, lease, self._lease_ttl_ms, *limits)


def _leases_key(partner: str) -> str:
    # The braces put a partner's keys on the same node of a Redis cluster.
    return f"limits:{{{partner}}}:leases"


def _outcome(reply: list[int], lease: str | None = None) -> Outcome:
    refused, in_flight, *windows = reply
    second, second_ms, minute, minute_ms, hour, hour_ms = windows
    return Outcome(
        refused, in_flight, (second, minute, hour), (second_ms, minute_ms, hour_ms), lease
    )


def _ignore(_reply: object) -> None:
    """A lease is given back or has expired: both are well."""
