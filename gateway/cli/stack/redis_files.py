"""Redis's configuration: counters in memory, on a unix socket, for the gateway alone."""

from pathlib import Path

from gateway.cli.stack.layout import Layout

# A limit's counters are a few hundred bytes a partner.
_CONFIGURATION = """\
# Written by `gateway stack` at each start.
port 0
unixsocket "{socket}"
unixsocketperm 770
pidfile "{directory}/redis.pid"
dir "{directory}"
daemonize no
logfile ""
loglevel warning
databases 1
maxclients 512
timeout 0

# Counters are worth nothing after a restart: they are not written anywhere.
save ""
appendonly no

# An evicted counter would be a limit forgotten. When memory ends, writes fail, and the gateway
# takes its stated way for a Redis that is away.
maxmemory 128mb
maxmemory-policy noeviction

# Who may connect may count. Reconfiguring, stopping and emptying Redis is for nobody.
user default on nopass ~* &* +@all -@admin -@dangerous +info
"""


def write_redis_files(layout: Layout) -> Path:
    """Write the configuration into Redis's own folder, and return its path."""
    path = layout.redis_dir / "redis.conf"
    path.write_text(_CONFIGURATION.format(socket=layout.redis_socket, directory=layout.redis_dir))
    return path
