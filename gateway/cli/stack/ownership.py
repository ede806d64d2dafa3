"""Give every part the files it needs, and keep the others' from it. Only as root."""

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from config.settings import Settings
from gateway.cli.stack.layout import Layout
from gateway.cli.stack.users import GATEWAY_GROUP, Users
from gateway.control.database import sqlite_path


@dataclass(frozen=True, slots=True)
class _Grant:
    """Owner, group and modes of a folder; `file_mode` also holds for every file below."""

    folder: Path
    uid: int
    gid: int
    mode: int
    file_mode: int | None = None


def hand_over(layout: Layout, users: Users) -> None:
    """Set owners and modes. What the operator adds later gets its group from its folder."""
    if os.geteuid() != 0:
        return
    for grant in [*_sockets(layout, users), *_data(layout, users)]:
        grant.folder.mkdir(parents=True, exist_ok=True)
        _apply(grant)


def _sockets(layout: Layout, users: Users) -> Iterator[_Grant]:
    nginx = users.nginx[1] if users.nginx else 0
    predictions = users.predictions.uid if users.predictions else 0
    tokens = users.tokens.uid if users.tokens else 0
    yield _Grant(layout.predictions_socket.parent, predictions, nginx, 0o750)
    yield _Grant(layout.tokens_socket.parent, tokens, nginx, 0o750)
    yield _Grant(layout.nginx_prefix, 0, 0, 0o711)
    # To pass through: nginx makes folders of its workers' own in it.
    yield _Grant(layout.nginx_temporary, 0, 0, 0o711)
    if users.redis:
        # Redis's socket takes the group of its folder (setgid), so both applications may count.
        yield _Grant(layout.redis_dir, users.redis.uid, GATEWAY_GROUP, 0o2750, 0o640)


def _data(layout: Layout, users: Users) -> Iterator[_Grant]:
    if users.predictions is None or users.tokens is None:
        return
    predictions, tokens = users.predictions.uid, users.tokens.uid
    data = layout.data_dir
    yield _Grant(data / "control", tokens, GATEWAY_GROUP, 0o2750, 0o640)
    yield _Grant(data / "status", 0, GATEWAY_GROUP, 0o2770, 0o660)
    yield _Grant(data / "keys", tokens, tokens, 0o700, 0o600)
    yield _Grant(data / "models", 0, predictions, 0o2750, 0o640)


def _apply(grant: _Grant) -> None:
    for _, folders, files, descriptor in os.fwalk(grant.folder):
        _set(descriptor, grant, grant.mode)
        if grant.file_mode is None:
            folders.clear()
            continue
        for name in files:
            _set_file(name, descriptor, grant, grant.file_mode)


def _set_file(name: str, folder: int, grant: _Grant, mode: int) -> None:
    # A part may have put a link here that would make root give it a file of somebody else's.
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(name, flags, dir_fd=folder)
    except OSError:
        return
    try:
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
            _set(descriptor, grant, mode)
    finally:
        os.close(descriptor)


def _set(descriptor: int, grant: _Grant, mode: int) -> None:
    os.fchown(descriptor, grant.uid, grant.gid)
    # After the change of owner, which takes the setgid bit away.
    os.fchmod(descriptor, mode)


@contextmanager
def control_store_held_open(settings: Settings) -> Iterator[None]:
    """Keep SQLite's companion files of the control store in place.

    The last connection to close removes them, and the prediction workers, who may only read,
    could not open the store again: reading a database in WAL mode needs both files.
    """
    path = sqlite_path(settings.database_url)
    if path is None:
        yield
        return
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        yield


def share_with_nginx(socket: Path, users: Users) -> None:
    """Let nginx's workers, and nobody else but its owner, connect to a listening socket."""
    if users.nginx is not None:
        os.chown(socket, -1, users.nginx[1], follow_symlinks=False)
