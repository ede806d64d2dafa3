"""One Redis connection kept by the process that uses it, whose replies may be read later.

redis-py's client takes a connection from its pool and gives it back on every call, which costs
as much again as the call.
"""

import os
import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol, Self, cast

from redis import Redis
from redis.exceptions import NoScriptError, RedisError

from gateway.limits.store import StoreUnavailable


class _Connection(Protocol):
    """The part of redis-py's untyped connection that is used here."""

    def send_command(self, *args: str | int) -> None: ...
    def read_response(self) -> Any: ...
    def disconnect(self) -> None: ...


class KeptConnection:
    """Connects when first used, anew in a forked process, and knows one script by its SHA-1.

    Its methods raise StoreUnavailable on any error or time-out; whether the command was carried
    out is then unknown. The next use connects again.

    Attributes:
        number: rises with every connection that is lost.
    """

    def __init__(self, client: Redis, script: str) -> None:
        self._pool = client.connection_pool
        self._script = script
        self._lock = threading.Lock()
        self.number = 0
        self._forget()

    def _forget(self) -> None:
        self.number += 1
        self._pid = os.getpid()
        self._connection: _Connection | None = None
        self._script_loaded = False
        self._outstanding: deque[Callable[[Any], None]] = deque()

    @property
    def is_open(self) -> bool:
        return self._connection is not None and self._pid == os.getpid()

    def ask(self, *command: str | int) -> Any:
        """Send a command and wait for its reply, after those still to come."""
        with self:
            connection = self._connected()
            connection.send_command(*command)
            self._read_outstanding(connection)
            try:
                return connection.read_response()
            except NoScriptError:
                self._script_loaded = False
                connection = self._connected()
                connection.send_command(*command)
                return connection.read_response()

    def tell(self, on_reply: Callable[[Any], None], *command: str | int) -> None:
        """Send a command; `on_reply` gets its reply when that is read."""
        with self:
            connection = self._connected()
            # So at most one reply is ever waiting, and neither side's buffer can fill up.
            self._read_outstanding(connection)
            connection.send_command(*command)
            self._outstanding.append(on_reply)

    def read_outstanding(self) -> None:
        """Wait for the replies still to come."""
        with self:
            if self.is_open:
                self._read_outstanding(self._connected())

    def __enter__(self) -> Self:
        """One exchange at a time; an exchange that breaks off takes the connection with it."""
        self._lock.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, _: TracebackType | None
    ) -> None:
        try:
            if exc is not None:
                # Whatever broke in, an exit signal too: the next reply would be taken for
                # the answer to another command.
                self._drop()
        finally:
            self._lock.release()
        if isinstance(exc, RedisError | OSError):
            raise StoreUnavailable from exc

    def _connected(self) -> _Connection:
        connection = self._connection
        if connection is None or not self.is_open:
            self._forget()
            connection = self._connection = cast(_Connection, self._pool.get_connection())
        if not self._script_loaded:
            self._read_outstanding(connection)
            connection.send_command("SCRIPT", "LOAD", self._script)
            connection.read_response()
            self._script_loaded = True
        return connection

    def _read_outstanding(self, connection: _Connection) -> None:
        while self._outstanding:
            on_reply = self._outstanding.popleft()
            try:
                on_reply(connection.read_response())
            except NoScriptError:
                # Its command is lost; the next one finds the script again.
                self._script_loaded = False

    def _drop(self) -> None:
        connection = self._connection
        self._forget()
        if connection is not None:
            connection.disconnect()
            self._pool.release(cast(Any, connection))
