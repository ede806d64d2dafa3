"""How much a partner may do: every limit of a call charged in one step, all or none."""

from gateway.limits.decision import Decision, Lease, LimitState
from gateway.limits.grant import LeasedCall
from gateway.limits.leased_store import LeasedLimits
from gateway.limits.limiter import CostExceedsLimit, PartnerLimiter
from gateway.limits.memory_store import MemoryLimits
from gateway.limits.protocol import LimitStore
from gateway.limits.redis_store import RedisLimits, connection_options
from gateway.limits.store import StoreUnavailable

__all__ = [
    "CostExceedsLimit",
    "Decision",
    "Lease",
    "LeasedCall",
    "LeasedLimits",
    "LimitState",
    "LimitStore",
    "MemoryLimits",
    "PartnerLimiter",
    "RedisLimits",
    "StoreUnavailable",
    "connection_options",
]
