"""What Redis is asked to do, and on which keys: its users need these rights and no others."""

# `charge.lua` and what gives its leases back, then the fixed windows of Flask-Limiter's storage.
COMMANDS = (
    *("ping", "evalsha", "script|load"),
    *("time", "hmget", "hset", "expire", "zadd", "pexpire"),
    *("zcard", "zcount", "zrem", "zremrangebyscore"),
    *("incrby", "get", "ttl"),
)
KEYS = ("limits:*", "LIMITS:*")


def access_rule() -> str:
    """These rights as Redis's access control lists write them."""
    keys = " ".join(f"~{pattern}" for pattern in KEYS)
    return f"resetkeys {keys} resetchannels -@all {' '.join(f'+{name}' for name in COMMANDS)}"
