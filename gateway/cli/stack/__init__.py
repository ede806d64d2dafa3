"""`gateway stack`: the production shape on one machine, without containers.

nginx with TLS in front, the prediction app and the token service each under a Gunicorn of its
own, Redis behind; everything on unix sockets but the one TLS port, each under a user of its own
when started as root. `command.py` is the table of contents.
"""

from gateway.cli.stack.command import stack

__all__ = ["stack"]
