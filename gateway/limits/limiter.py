"""The limiter: decides in the shared store, or more tightly by itself while that is away."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from threading import Lock
from typing import TypeVar

import structlog

from config.plans import Plan
from gateway.limits.decision import Decision, Lease, decide, refuse
from gateway.limits.grant import LeasedCall
from gateway.limits.protocol import LimitStore
from gateway.limits.store import WINDOWS, Outcome, StoreUnavailable

log = structlog.get_logger()
T = TypeVar("T")

USED_UP_AT_MOST = 10_000


class CostExceedsLimit(Exception):
    """The plan admits so many rows in no hour: waiting will not help."""


@dataclass(frozen=True, slots=True)
class _UsedUp:
    """Until when each of `WINDOWS` admits no call of this plan; 0.0 where it may."""

    plan: Plan
    until: tuple[float, ...]


class PartnerLimiter:
    """Charges partners' calls to their plans.

    Args:
        store: shared by all workers.
        fallback: this worker's own, asked while `store` is away.
        clock: seconds, monotonic.
        fallback_share: the share of a plan that this worker then admits.
    """

    def __init__(
        self,
        store: LimitStore,
        fallback: LimitStore,
        clock: Callable[[], float],
        fallback_share: float = 0.25,
    ) -> None:
        self._store = store
        self._fallback = fallback
        self._clock = clock
        self._fallback_share = fallback_share
        self._used_up: dict[str, _UsedUp] = {}
        self._in_fallback = False
        self._switching = Lock()

    @property
    def in_fallback(self) -> bool:
        return self._in_fallback

    def known_exhausted(
        self, partner: str, plan: Plan, *, takes_rows: bool = True
    ) -> Decision | None:
        """Refuse, without asking the store, what this worker has seen to be used up.

        Args:
            takes_rows: whether the call has rows; one that only reads may go on without any left.
        """
        _require_name(partner)
        if self._store.unsettled and not self._in_fallback:
            self._ask(plan, _settle)
        used_up = self._used_up.get(partner)
        if used_up is None:
            return None
        in_force = tightened(plan, self._fallback_share) if self._in_fallback else plan
        now = self._clock()
        if used_up.plan is not in_force or max(used_up.until) <= now:
            self._used_up.pop(partner, None)
            return None
        # Of several windows the longest: what it refuses, waiting for a shorter one cannot help.
        for window in reversed(range(len(WINDOWS))):
            if used_up.until[window] > now and (takes_rows or WINDOWS[window].unit != "rows"):
                return refuse(in_force, window, math.ceil((used_up.until[window] - now) * 1000))
        return None

    def charge(self, partner: str, plan: Plan, rows: int) -> Decision | LeasedCall:
        """Charge one request, its rows and one concurrent call: all of it, or refuse.

        Raises:
            CostExceedsLimit: rows are more than an hour's.
        """
        if not self._in_fallback:
            leased = self._store.take(partner, plan, rows)
            if leased is not None:
                return leased
        _require_name(partner)
        if rows < 0:
            raise ValueError("rows cannot be negative")
        if plan.rows_per_hour is not None and rows > plan.rows_per_hour:
            raise CostExceedsLimit
        return self._ask(plan, partial(self._charge, partner, rows))

    def charge_failed_call(self, partner: str, plan: Plan) -> None:
        """Charge one request for a call that never came to its charge; refuses nothing."""
        _require_name(partner)
        self._ask(plan, partial(self._charge_failed_call, partner))

    def release(self, decision: Decision | LeasedCall) -> None:
        """Give the call's lease back to who gave it, if it holds one."""
        if isinstance(decision, LeasedCall):
            decision.end()
        elif decision.lease is not None:
            store = self._fallback if decision.lease.of_fallback else self._store
            store.release(decision.lease.partner, decision.lease.id)

    def peek(self, partner: str, plan: Plan) -> Decision:
        """Where the limits stand. Charges nothing."""
        _require_name(partner)
        return self._ask(
            plan, lambda store, in_force: decide(in_force, store.peek(partner, in_force))
        )

    def probe(self) -> None:
        """Give back what is held unused, or return to the store if it answers again.

        For a background thread, about once a second: so no call waits for the store to time out
        but the one that found it away.
        """
        if not self._in_fallback:
            self._give_back_unused()
            return
        try:
            self._store.ping()
        except StoreUnavailable:
            return
        with self._switching:
            self._in_fallback = False
        log.warning("limits_fallback_ended")

    def start(self) -> None:
        """Of a worker's background work this does only the end."""

    def stop(self) -> None:
        """Give back what this worker holds."""
        if not self._in_fallback:
            self._give_back_unused(ending=True)

    def _give_back_unused(self, *, ending: bool = False) -> None:
        try:
            self._store.give_back_unused(ending=ending)
        except StoreUnavailable as exc:
            self._start_fallback(exc)

    def _ask(self, plan: Plan, question: Callable[[LimitStore, Plan], T]) -> T:
        if not self._in_fallback:
            try:
                return question(self._store, plan)
            except StoreUnavailable as exc:
                self._start_fallback(exc)
        return question(self._fallback, tightened(plan, self._fallback_share))

    def _start_fallback(self, exc: StoreUnavailable) -> None:
        with self._switching:
            if self._in_fallback:
                return
            self._in_fallback = True
        log.warning("limits_fallback_started", cause=type(exc.__cause__).__name__)

    def _charge(self, partner: str, rows: int, store: LimitStore, plan: Plan) -> Decision:
        outcome = store.charge(partner, plan, rows)
        self._learn(partner, plan, self._clock(), outcome)
        if outcome.lease is None:
            return decide(plan, outcome)
        return decide(plan, outcome, Lease(partner, outcome.lease, store is self._fallback))

    def _charge_failed_call(self, partner: str, store: LimitStore, plan: Plan) -> None:
        store.charge_failed_call(partner, plan, partial(self._learn, partner, plan, self._clock()))

    def _learn(self, partner: str, plan: Plan, at: float, outcome: Outcome) -> None:
        if 0 not in outcome.remaining:
            return
        ends = zip(outcome.remaining, outcome.reset_ms, strict=True)
        until = tuple(0.0 if left else at + reset_ms / 1000 for left, reset_ms in ends)
        self._used_up[partner] = _UsedUp(plan, until)
        if len(self._used_up) > USED_UP_AT_MOST:
            self._used_up.clear()


@lru_cache(maxsize=256)
def tightened(plan: Plan, share: float) -> Plan:
    """The plan of one worker by itself: this share of every limit, but at least 1.

    An hour holds at least the largest call, or that would be refused for as long as the store
    is away.
    """

    def part(limit: int | None, at_least: int = 1) -> int | None:
        return None if limit is None else max(at_least, int(limit * share))

    return replace(
        plan,
        requests_per_second=part(plan.requests_per_second),
        requests_per_minute=part(plan.requests_per_minute),
        rows_per_hour=part(plan.rows_per_hour, plan.max_rows_per_call),
        max_concurrent_calls=max(1, int(plan.max_concurrent_calls * share)),
    )


def _settle(store: LimitStore, _plan: Plan) -> None:
    store.settle()


def _require_name(partner: str) -> None:
    # Without a name there is nothing to count by, and a call not counted is not limited.
    if not partner:
        raise ValueError("a call without a partner cannot be charged")
