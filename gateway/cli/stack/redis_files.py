"""Redis's configuration: counters in memory, for the gateway alone."""

import hashlib
from pathlib import Path

from gateway.cli.stack.layout import Layout
from gateway.redis_rights import access_rule

# A limit's counters are a few hundred bytes a partner.
_CONFIGURATION = """\
# Written by the gateway at each start.
{place}
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

# Who may connect may count, and nothing else.
{users}
"""

_ON_A_SOCKET = """\
port 0
unixsocket "{socket}"
unixsocketperm 770
pidfile "{directory}/redis.pid"
dir "{directory}"
"""

# In a network of its own, and even there only with the password.
_ON_A_NETWORK = """\
bind * -::*
port 6379
dir "/tmp"
"""


def write_redis_files(layout: Layout) -> Path:
    """Write the configuration into Redis's own folder, and return its path."""
    path = layout.redis_dir / "redis.conf"
    place = _ON_A_SOCKET.format(socket=layout.redis_socket, directory=layout.redis_dir)
    users = f"user default on nopass {access_rule()}"
    path.write_text(_CONFIGURATION.format(place=place, users=users))
    return path


def network_configuration(user: str, password: bytes) -> str:
    """The configuration of a Redis that other containers reach. It knows the password's digest."""
    digest = hashlib.sha256(password).hexdigest()
    users = f"user default off\nuser {user} on #{digest} {access_rule()}"
    return _CONFIGURATION.format(place=_ON_A_NETWORK, users=users)
