"""The files around `gateway stack`: folders, owners, Redis's configuration, missing servers."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis
from edge_server import installed

from gateway.cli.stack.child_output import OutputOfChild
from gateway.cli.stack.layout import (
    MAX_SOCKET_PATH_BYTES,
    Layout,
    UnusableFolder,
    claim,
    close_layout,
    open_layout,
)
from gateway.cli.stack.ownership import hand_over
from gateway.cli.stack.readiness import answers_ping
from gateway.cli.stack.redis_files import write_redis_files
from gateway.cli.stack.servers import ServersMissing, find_servers
from gateway.cli.stack.users import GATEWAY_GROUP, Identity, Users, choose_users

NGINX_LINE = (
    b"2026/11/23 13:41:03 [error] 7#7: *3 connect() failed, client: ::1, server: localhost,"
    b' request: "GET /?secret HTTP/1.1", host: "localhost"\n'
)


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    opened = open_layout(tmp_path, reachable=False)
    yield opened
    close_layout(opened)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def say_nothing(_text: str) -> None:
    pass


# Folders.


def test_sockets_are_in_the_data_folder(tmp_path: Path) -> None:
    """Where the path is short enough and everyone concerned gets there, nothing is elsewhere."""
    assert open_layout(tmp_path, reachable=True).run_dir == tmp_path / "run"


@pytest.mark.parametrize("reason", ["too long", "unreachable"])
def test_sockets_move_where_the_data_folder_cannot_have_them(tmp_path: Path, reason: str) -> None:
    """A private folder among the temporary files takes them; the data folder links to it."""
    data = tmp_path / ("d" * 100 if reason == "too long" else "d")
    data.mkdir()
    opened = open_layout(data, reachable=reason != "unreachable")
    try:
        assert len(os.fsencode(opened.predictions_socket)) <= MAX_SOCKET_PATH_BYTES
        assert (data / "run").readlink() == opened.run_dir
        assert mode(opened.run_dir) == 0o711
        assert open_layout(data, reachable=reason != "unreachable") == opened
    finally:
        close_layout(opened)

    assert not opened.run_dir.exists()
    assert not (data / "run").is_symlink()


def test_link_to_a_folder_of_somebody_else_is_not_followed(tmp_path: Path, layout: Layout) -> None:
    """A folder that is not private to this user may hold another user's sockets."""
    layout.run_dir.chmod(0o777)
    opened = open_layout(tmp_path, reachable=False)

    assert opened.run_dir != layout.run_dir
    close_layout(opened)
    shutil.rmtree(layout.run_dir)


@pytest.mark.parametrize("name", ['a"b', "a$b", "a;b", "a{b", "a\nb"])
def test_folder_that_nginx_would_misread_is_refused(tmp_path: Path, name: str) -> None:
    """A path cannot become a directive."""
    with pytest.raises(UnusableFolder, match="may not have"):
        open_layout(tmp_path / name, reachable=True)


def test_folder_serves_one_stack_at_a_time(tmp_path: Path) -> None:
    """A second stack would take the first one's sockets; the claim ends with who holds it."""
    claimed = claim(tmp_path)
    with pytest.raises(UnusableFolder, match="belongs to a stack"):
        claim(tmp_path)
    os.close(claimed)

    os.close(claim(tmp_path))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_parts_own_what_they_need_and_no_more(tmp_path: Path, layout: Layout) -> None:
    """Keys are the token service's alone; predictions read the control store and the models."""
    for name in ("control/store", "status/status", "keys/pepper", "models/wine/1/model"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("")
    predictions, tokens = Identity(64201, (GATEWAY_GROUP,)), Identity(64202, (GATEWAY_GROUP,))
    hand_over(layout, Users(predictions, tokens, Identity(64203), ("nobody", 65534)))
    found = {
        name: (path.stat().st_uid, path.stat().st_gid, mode(path))
        for name in (
            "control",
            "control/store",
            "status/status",
            "keys",
            "keys/pepper",
            "models/wine/1/model",
        )
        if (path := tmp_path / name)
    }

    assert found == {
        "control": (64202, GATEWAY_GROUP, 0o2750),
        "control/store": (64202, GATEWAY_GROUP, 0o640),
        "status/status": (0, GATEWAY_GROUP, 0o660),
        "keys": (64202, 64202, 0o700),
        "keys/pepper": (64202, 64202, 0o600),
        "models/wine/1/model": (0, 64201, 0o640),
    }
    assert mode(layout.tokens_socket.parent) == 0o750
    assert layout.tokens_socket.parent.stat().st_gid == 65534


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_link_is_not_given_away(tmp_path: Path, layout: Layout) -> None:
    """A part that puts a link into its folder does not get the file behind it."""
    foreign = tmp_path / "foreign"
    foreign.write_text("")
    (tmp_path / "status").mkdir()
    (tmp_path / "status" / "soft").symlink_to(foreign)
    (tmp_path / "status" / "hard").hardlink_to(foreign)
    hand_over(layout, Users(Identity(64201), Identity(64202), Identity(64203), None))

    assert (foreign.stat().st_uid, foreign.stat().st_gid) == (0, 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root chooses users")
def test_no_part_runs_another_interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who cannot reach our Python's library may get that of another version: too bad."""
    said: list[str] = []
    monkeypatch.setattr(sys, "version", "3.99.0")
    users = choose_users(said.append, data_dir=tmp_path, reachable=True)

    assert (users.predictions, users.tokens) == (None, None)
    assert "cannot run" in said[0]


# Redis.


@pytest.fixture
def counters(layout: Layout) -> Iterator[redis.Redis]:
    """A client of a real Redis with the stack's configuration."""
    process = subprocess.Popen(
        [installed("redis-server"), str(write_redis_files(layout))], stdout=subprocess.DEVNULL
    )
    ready = answers_ping(layout.redis_socket)
    try:
        while not ready():
            assert process.poll() is None
        with redis.Redis(unix_socket_path=str(layout.redis_socket)) as client:
            yield client
    finally:
        process.terminate()
        process.wait()


def test_redis_counts(counters: redis.Redis) -> None:
    """What limits need works, on their keys: scripts, expiry, its clock."""
    script = counters.script_load("return redis.call('INCRBY', KEYS[1], 5)")

    assert counters.evalsha(script, 1, "limits:k") == 5
    assert counters.expire("limits:k", 10)
    assert counters.time()
    with pytest.raises(redis.exceptions.ResponseError, match="permission"):
        counters.evalsha(script, 1, "k")


REFUSED = ("FLUSHALL", "CONFIG GET *", "SHUTDOWN", "KEYS *", "SAVE", "INFO", "DEL limits:k")


@pytest.mark.parametrize("command", REFUSED)
def test_redis_refuses_what_no_limit_needs(counters: redis.Redis, command: str) -> None:
    """A worker that a hostile model took over cannot empty, stop or reconfigure it."""
    with pytest.raises(redis.exceptions.NoPermissionError):
        counters.execute_command(*command.split())  # type: ignore[no-untyped-call]


def test_redis_listens_on_its_socket_only(counters: redis.Redis, layout: Layout) -> None:
    """No port; a socket that others cannot open."""
    assert "port 0\n" in (layout.redis_dir / "redis.conf").read_text()
    assert mode(layout.redis_socket) == 0o770


# Missing servers.


def test_missing_servers_are_named(tmp_path: Path) -> None:
    """Who may not install is told which packages are missing."""
    with pytest.raises(ServersMissing, match="missing: nginx redis-server"):
        find_servers(say_nothing, may_install=False, search_path=str(tmp_path))


def write_program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_missing_servers_are_installed_by_who_may(tmp_path: Path) -> None:
    """apt-get is asked for what is missing, first for its lists, and that is said."""
    script = f'echo "$@" >> {tmp_path}/asked; [ "$1" = update ] || cp "$0" {tmp_path}/redis-server'
    write_program(tmp_path / "apt-get", script)
    write_program(tmp_path / "nginx", "")
    said: list[str] = []
    servers = find_servers(said.append, may_install=True, search_path=str(tmp_path))

    assert servers.redis == str(tmp_path / "redis-server")
    assert (tmp_path / "asked").read_text().splitlines() == [
        "update",
        "install -y --no-install-recommends redis-server",
    ]
    assert len(said) == 2


def test_failed_installation_is_explained(tmp_path: Path) -> None:
    """apt-get's last words and what to do are in the message."""
    write_program(tmp_path / "apt-get", "echo 'E: no network'; exit 100")
    with pytest.raises(ServersMissing, match=r"(?s)E: no network.*apt-get install"):
        find_servers(say_nothing, may_install=True, search_path=str(tmp_path))


# Output.


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_pieces_of_output_become_whole_lines(size: int) -> None:
    """However a pipe cuts what is written, each line comes out once and whole."""
    output = OutputOfChild("app", lambda: datetime(2026, 1, 1, tzinfo=UTC))
    written = b'{"a":1}\n{"b":2}\n{"c":3}\n'
    pieces = [written[start : start + size] for start in range(0, len(written), size)]

    assert b"".join(output.feed(piece) for piece in pieces) + output.end() == written


def test_request_is_cut_from_what_nginx_says() -> None:
    """A query, where credentials end up, does not reach the log; the reason does."""
    output = OutputOfChild("nginx", lambda: datetime(2026, 1, 1, tzinfo=UTC))

    assert output.feed(NGINX_LINE) == (
        b'{"event":"connect() failed, client: ::1","logger":"nginx","level":"error",'
        b'"timestamp":"2026-01-01T00:00:00Z"}\n'
    )
