"""Ports for servers that are told where to listen."""

import socket

_HELD: list[socket.socket] = []


def free_port(*, held: bool = True) -> int:
    """A port of the loopback that nobody listens on.

    Args:
        held: until this process ends the system gives it to nobody who asks for any port. A server
            may listen on it all the same, and again, if it sets SO_REUSEADDR, as ours do.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    port: int = holder.getsockname()[1]
    if held:
        _HELD.append(holder)
    else:
        holder.close()
    return port
