"""Limits applied to requests: refused early, charged once, said in the answer's fields."""

from collections.abc import Collection

from flask import Response

from gateway.errors import InvalidInput, RateLimited
from gateway.limits import CostExceedsLimit, Decision, LeasedCall, PartnerLimiter, fields
from gateway.principal import Principal
from gateway.request_context import RequestContext, context
from gateway.web import add_fields


class Admission:
    """The limits of the caller's plan, at the points of the pipeline where they matter."""

    def __init__(
        self,
        limiter: PartnerLimiter,
        *,
        free_endpoints: Collection[str],
        row_endpoints: Collection[str],
    ) -> None:
        self._limiter = limiter
        self._free_endpoints = free_endpoints
        self._row_endpoints = row_endpoints

    def refuse_exhausted(self) -> None:
        """Refuse at once what this worker knows to be over the limit: no round trip, no body.

        Raises: RateLimited.
        """
        current = context()
        principal, endpoint = current.principal, current.request.endpoint
        if principal is None or endpoint in self._free_endpoints:
            return
        decision = self._limiter.known_exhausted(
            principal.partner,
            principal.plan,
            takes_rows=endpoint in self._row_endpoints,
        )
        if decision is not None:
            current.decision = decision
            raise _refusal(decision)
        current.on_close.append(lambda status: self._charge_call(current, principal, status))

    def charge(self, rows: int) -> None:
        """Charge one call with so many rows: all limits or none.

        Raises: RateLimited; InvalidInput, if no call with so many rows can ever be admitted.
        """
        current = context()
        principal = current.caller
        try:
            decision = self._limiter.charge(principal.partner, principal.plan, rows)
        except CostExceedsLimit as exc:
            raise InvalidInput("The plan never admits so many rows in one call.") from exc
        current.decision = decision
        if not decision.allowed:
            raise _refusal(decision)
        current.on_close.append(lambda _status: self._limiter.release(decision))

    def peek(self, principal: Principal) -> Decision:
        """What is left of the caller's plan. Costs nothing."""
        return self._limiter.peek(principal.partner, principal.plan)

    def add_fields(self, response: Response) -> Response:
        """RateLimit and RateLimit-Policy, from what the charge already said."""
        decision = context().decision
        if decision is not None:
            policy, remaining = fields.policy(decision.plan), fields.remaining(decision)
            add_fields(response, (("RateLimit-Policy", policy), ("RateLimit", remaining)))
        return response

    def _charge_call(self, current: RequestContext, principal: Principal, status: int) -> None:
        # A call that was refused before its charge, or reads only, costs one request, charged
        # when the answer is out. Refusals by a limit, and faults of ours, cost nothing.
        if current.decision is None and status < 500:
            self._limiter.charge_failed_call(principal.partner, principal.plan)


def _refusal(decision: Decision | LeasedCall) -> RateLimited:
    limit = decision.refused_by or ""
    detail = f"The plan's limit {limit} is used up: try again in {decision.retry_after_s} s."
    return RateLimited(detail, retry_after_s=decision.retry_after_s, limit=limit)
