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
from gateway.limits.store import NO_SWAP, Granted, Outcome, StoreUnavailable, Swap, window_limits

SCRIPT = Path(__file__).with_name("charge.lua").read_text(encoding="utf-8")
OWED_AT_MOST = 1000
# What the script is told of a call: the mode, its rows, its lease.
_FAILED = ("failed", 0, "")
_PEEK = ("peek", 0, "")


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
        script: what Redis runs; one with another clock, for tests.
    """

    def __init__(self, client: Redis, lease_ttl_s: float = 30.0, script: str = SCRIPT) -> None:
        self._connection = KeptConnection(client, script)
        self._script_sha = sha_of(script)
        self._lease_ttl_ms = round(lease_ttl_s * 1000)
        # Bounded, because leases expire by themselves.
        self._owed: deque[tuple[str, str]] = deque(maxlen=OWED_AT_MOST)
        self.unsettled = False

    @property
    def connection_number(self) -> int:
        """Another after a loss: Redis may have been started anew since, and know of no grant."""
        return self._connection.number

    def take(self, partner: str, plan: Plan, rows: int) -> None:
        """Every call is charged in Redis."""

    def charge(self, partner: str, plan: Plan, rows: int) -> Outcome:
        return self.charge_and_grant(partner, plan, rows).outcome

    def charge_and_grant(
        self, partner: str, plan: Plan, rows: int, swap: Swap = NO_SWAP
    ) -> Granted:
        """Charge a call, and calls like it that may be granted.

        Raises: StoreUnavailable; whether anything was given back is then unknown.
        """
        lease = secrets.token_hex(8)
        command = self._command(partner, plan, ("charge", rows, lease), swap)
        try:
            reply = self._connection.ask(*command)
        except StoreUnavailable:
            # If it was charged after all, nobody will give this lease back.
            self._owe(partner, lease)
            self._owe(partner, swap.lease)
            raise
        return Granted(_outcome(reply, None if reply[0] else lease), *reply[8:])

    def charge_failed_call(
        self, partner: str, plan: Plan, on_outcome: Callable[[Outcome], None]
    ) -> None:
        command = self._command(partner, plan, _FAILED)
        self._connection.tell(lambda reply: on_outcome(_outcome(reply)), *command)
        self.unsettled = True

    def settle(self) -> None:
        # Not for a lease given back: its reply comes in with that of the next charge.
        if self.unsettled:
            self.unsettled = False
            self._connection.read_outstanding()

    def peek(self, partner: str, plan: Plan, swap: Swap = NO_SWAP) -> Outcome:
        command = self._command(partner, plan, _PEEK, swap)
        try:
            return _outcome(self._connection.ask(*command))
        except StoreUnavailable:
            self._owe(partner, swap.lease)
            raise

    def give_back(self, partner: str, plan: Plan, swap: Swap) -> None:
        """Give back what was granted under this plan. Does not wait.

        Raises: StoreUnavailable.
        """
        command = self._command(partner, plan, _PEEK, swap)
        try:
            self._connection.tell(_ignore, *command)
        except StoreUnavailable:
            self._owe(partner, swap.lease)
            raise

    def give_back_unused(self, *, ending: bool = False) -> None:
        """Nothing is held here."""

    def release(self, partner: str, lease: str) -> None:
        self._owed.append((partner, lease))
        # Connecting is not worth the wait: the next call or ping does it.
        if self._connection.is_open:
            self._give_back_leases()

    def ping(self) -> None:
        self._connection.ask("PING")
        self._give_back_leases()

    def _owe(self, partner: str, lease: str) -> None:
        if lease:
            self._owed.append((partner, lease))

    def _give_back_leases(self) -> None:
        while self._owed:
            partner, lease = self._owed.popleft()
            try:
                self._connection.tell(_ignore, "ZREM", _leases_key(partner), lease)
            except StoreUnavailable:
                self._owed.append((partner, lease))
                return

    def _command(
        self, partner: str, plan: Plan, call: tuple[str, int, str], swap: Swap = NO_SWAP
    ) -> tuple[str | int, ...]:
        keys = (f"limits:{{{partner}}}:windows", _leases_key(partner))
        limits = (plan.max_concurrent_calls, *window_limits(plan))
        swapped = (swap.calls, swap.lease, swap.granted_at_ms, *swap.units, swap.granted)
        return ("EVALSHA", self._script_sha, 2, *keys, *call, self._lease_ttl_ms, *limits, *swapped)


def sha_of(script: str) -> str:
    """What Redis calls a script; nothing rests on SHA-1."""
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()


def _leases_key(partner: str) -> str:
    # The braces put a partner's keys on the same node of a Redis cluster.
    return f"limits:{{{partner}}}:leases"


def _outcome(reply: list[int], lease: str | None = None) -> Outcome:
    refused, in_flight, *windows = reply[:8]
    second, second_ms, minute, minute_ms, hour, hour_ms = windows
    return Outcome(
        refused, in_flight, (second, minute, hour), (second_ms, minute_ms, hour_ms), lease
    )


def _ignore(_reply: object) -> None:
    """A lease is given back or has expired: both are well."""
