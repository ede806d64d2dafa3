"""What a store of limits is asked to do."""

from collections.abc import Callable
from typing import Protocol

from config.plans import Plan
from gateway.limits.grant import LeasedCall
from gateway.limits.store import Outcome


class LimitStore(Protocol):
    """All limits of a partner, charged together or not at all.

    Every method but `take` and `release` raises StoreUnavailable.
    """

    @property
    def unsettled(self) -> bool:
        """Whether outcomes of failed calls are still to come."""

    def take(self, partner: str, plan: Plan, rows: int) -> LeasedCall | None:
        """The call paid from what this process was granted before, if it holds enough."""

    def charge(self, partner: str, plan: Plan, rows: int) -> Outcome:
        """Charge one request, its rows and one concurrent call; a refusal charges nothing."""

    def charge_failed_call(
        self, partner: str, plan: Plan, on_outcome: Callable[[Outcome], None]
    ) -> None:
        """Charge one request to each window that has one left. Does not wait for the store.

        `on_outcome` is called once the outcome is known: at the latest in the next `settle`. Not,
        if the request is paid from what was granted before.
        """

    def settle(self) -> None:
        """Wait for the outcomes of failed calls that are still to come."""

    def peek(self, partner: str, plan: Plan) -> Outcome:
        """What is left. Charges nothing."""

    def release(self, partner: str, lease: str) -> None:
        """Give a lease back, later if the store is away. Does not wait for it, never raises."""

    def give_back_unused(self, *, ending: bool = False) -> None:
        """Give back grants that are over; all that no call runs in, where this process ends."""

    def ping(self) -> None:
        """Return if the store answers; what is still to be given back is given back."""
