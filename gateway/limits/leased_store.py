"""Limits in Redis of which this process holds small parts: most calls ask nobody.

Exact where it refuses nothing too much: a grant is charged in Redis before the first call is paid
from it. Up to what all workers hold, a call may be refused early (`charge.lua` keeps that small).
"""

import math
import os
import threading
from collections.abc import Callable

from config.plans import Plan
from gateway.limits.grant import FIRST, Grant, LeasedCall
from gateway.limits.redis_store import RedisLimits
from gateway.limits.store import NO_SWAP, Outcome, Swap


class LeasedLimits:
    """Admits calls from grants, and has the store decide about all others.

    Args:
        store: where everything is charged.
        clock: seconds, monotonic.
    """

    def __init__(self, store: RedisLimits, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._forget()
        # What the parent was granted stays the parent's.
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._lock = threading.Lock()
        # None: a charge that may bring a grant is under way.
        self._grants: dict[str, Grant | None] = {}

    @property
    def unsettled(self) -> bool:
        return self._store.unsettled

    def take(self, partner: str, plan: Plan, rows: int) -> LeasedCall | None:
        # The background gives grants back at their end, and must not meet a call half taken.
        with self._lock:
            grant = self._grants.get(partner)
            return None if grant is None else grant.take(plan, rows, self._clock())

    def charge(self, partner: str, plan: Plan, rows: int) -> Outcome:
        swap = self._begin_swap(partner)
        if swap is None:
            return self._store.charge(partner, plan, rows)
        grant, asked_at = None, self._clock()
        try:
            granted = self._store.charge_and_grant(partner, plan, rows, swap)
            if granted.calls:
                grant = Grant(plan, rows, granted, asked_at, self._store.connection_number)
        finally:
            self._end_swap(partner, grant)
        return grant.outcome if grant is not None else granted.outcome

    def charge_failed_call(
        self, partner: str, plan: Plan, on_outcome: Callable[[Outcome], None]
    ) -> None:
        paid = self.take(partner, plan, 0)
        if paid is None:
            self._store.charge_failed_call(partner, plan, on_outcome)
        else:
            paid.end()

    def settle(self) -> None:
        self._store.settle()

    def peek(self, partner: str, plan: Plan) -> Outcome:
        # With what is held given back, what is left is all there.
        held = self._withdraw(partner, math.inf)
        swap = held.swap(self._store.connection_number) if held else NO_SWAP
        return self._store.peek(partner, plan, swap)

    def release(self, partner: str, lease: str) -> None:
        grant = self._grants.get(partner)
        if grant is not None and grant.holder == lease:
            grant.holder = None
        else:
            self._store.release(partner, lease)

    def give_back_unused(self, *, ending: bool = False) -> None:
        for partner in tuple(self._grants):
            grant = self._withdraw(partner, math.inf if ending else self._clock())
            if grant is not None:
                swap = grant.swap(self._store.connection_number)
                self._store.give_back(partner, grant.plan, swap)

    def ping(self) -> None:
        self._store.ping()

    def _begin_swap(self, partner: str) -> Swap | None:
        """What a charge gives back and asks for; None where another thread's call is in the way."""
        with self._lock:
            if partner not in self._grants:
                swap = FIRST
            elif (held := self._grants[partner]) is None or held.holder is not None:
                return None
            else:
                swap = held.swap(self._store.connection_number)
            self._grants[partner] = None
            return swap

    def _end_swap(self, partner: str, grant: Grant | None) -> None:
        with self._lock:
            if grant is None:
                del self._grants[partner]
            else:
                self._grants[partner] = grant

    def _withdraw(self, partner: str, now: float) -> Grant | None:
        """The grant, held no longer; None if it is not over by then, or a call runs in it."""
        with self._lock:
            grant = self._grants.get(partner)
            if grant is None or grant.holder is not None or not grant.is_over(now):
                return None
            del self._grants[partner]
            return grant
