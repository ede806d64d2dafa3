"""What each process asks of PostgreSQL in a second: `PYTHONPATH=tests python -m bench.polls`.

A connection and the revision; a worker also the line that says how it is. Whatever changed is read
on top of that. The server is Debian's, on a unix socket, without TLS and passwords.
"""

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import click
from postgres_server import PostgresServer, running_postgres

from bench.processes import tree
from config.plans import SHIPPED_PLANS
from gateway.control import migrate
from gateway.control.database import reading_engine, writing_engine
from gateway.control.snapshot import SnapshotReader
from gateway.control.status_database import create_status_database
from gateway.control.store import ControlStore
from gateway.control.worker_status import WorkerReport

_TIMES = 300
_PARTNERS = 10_000
_SCOPES = ("model:*:predict", "model:*:read")
_TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")


@click.command()
def main() -> None:
    """Print milliseconds of CPU on both sides for each."""
    with running_postgres() as server:
        database, status = server.url(server.database()), server.url(server.database())
        migrate.upgrade(database)
        create_status_database(status)
        store = ControlStore(writing_engine(database), actor="bench", clock=time.time)
        reader = SnapshotReader(reading_engine(database), SHIPPED_PLANS)
        report = WorkerReport(writing_engine(status, durable=False), "predictions")
        click.echo(f"{'CPU, ms':36}{'process':>9}{'server':>9}")
        _show("the revision", reader.revision, server)
        _show("how a worker is", lambda: report.write(1, {}, limits_fallback=False), server)
        for number in range(_PARTNERS):
            store.create_partner(f"p{number}", f"c{number}", "standard", _SCOPES, "d" * 64)
        _show(f"all of {_PARTNERS:,} partners", reader.read, server, 10)
        before = reader.read()
        store.revoke_token("jti", time.time() + 60)
        _show("after a revocation", lambda: reader.read_since(before), server, 10)


def _show(
    what: str, call: Callable[[], object], server: PostgresServer, times: int = _TIMES
) -> None:
    call()
    own, theirs = time.process_time(), _server_ms(server)
    for _ in range(times):
        call()
    process_ms = (time.process_time() - own) * 1000 / times
    click.echo(f"{what:36}{process_ms:>9.2f}{(_server_ms(server) - theirs) / times:>9.2f}")


def _server_ms(server: PostgresServer) -> float:
    """CPU time of the server so far, with that of connections that have ended."""
    master = int((server.folder / "data" / "postmaster.pid").read_text().split()[0])
    ticks = 0
    for pid in tree(master):
        # One that ends just now is counted with the master's ended children.
        with contextlib.suppress(OSError):
            ticks += _ticks(pid)
    return ticks * _TICK_MS


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15])


if __name__ == "__main__":
    main()
