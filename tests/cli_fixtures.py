"""A prepared data directory, and `gateway …` on it in this process."""

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from config.settings import Settings
from gateway.cli import main
from gateway.cli.administration import Administration
from gateway.cli.prepare import prepare
from gateway.control.audit import AuditEntry
from gateway.control.store import ControlStore
from gateway.control.worker_status import WorkerReport


def make_data_dir(folder: Path) -> Path:
    """What `make run` makes before it serves."""
    prepare(Settings(data_dir=folder / "var"), demo=True)
    return folder / "var"


@dataclass(frozen=True)
class Shell:
    """Someone who types commands about one data directory."""

    data_dir: Path

    def copy_to(self, folder: Path) -> "Shell":
        """The same, to be spoilt."""
        return Shell(Path(shutil.copytree(self.data_dir, folder / "var")))

    @property
    def settings(self) -> Settings:
        return Settings(data_dir=self.data_dir)

    @property
    def store(self) -> ControlStore:
        return Administration(self.settings).store

    def run(self, *arguments: str, stdin: str | None = None) -> Result:
        """Type a command."""
        return CliRunner().invoke(main, ["--data-dir", str(self.data_dir), *arguments], input=stdin)

    def done(self, *arguments: str, stdin: str | None = None) -> str:
        """What a command prints that succeeds."""
        result = self.run(*arguments, stdin=stdin)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *arguments: str) -> Any:
        """What a command says to machines."""
        return json.loads(self.done(*arguments, "--json"))

    def refused(self, *arguments: str, exit_code: int = 1, stdin: str | None = None) -> str:
        """The one line of a command that is refused: no traceback, nothing on stdout."""
        result = self.run(*arguments, stdin=stdin)
        assert (result.exit_code, result.stdout) == (exit_code, ""), result.output
        assert isinstance(result.exception, SystemExit)
        if exit_code == 1:
            lines = [line for line in result.stderr.splitlines() if not is_progress(line)]
            assert len(lines) == 1, result.stderr
            assert lines[0].startswith("Error: ")
        return result.stderr

    def audited(self) -> AuditEntry:
        """The newest audit entry."""
        return self.store.audit_entries(1)[0]

    def report(self, revision: int, models: dict[str, Any] | None = None) -> WorkerReport:
        """Be a live worker that serves a revision, for a minute however slow the commands are."""
        status = Administration(self.settings).status_engine
        report = WorkerReport(status, "joined", clock=lambda: time.time() + 60)
        report.write(revision, models or {}, limits_fallback=False)
        return report


def is_progress(line: str) -> bool:
    """Whether a line only says what takes so long; on a busy machine anything may."""
    return line.endswith(" …") and not line.startswith("Error: ")


def rows_of(table: str) -> list[Sequence[str]]:
    """The cells of a printed table, its heading first."""
    return [line.split() for line in table.splitlines() if line.strip()]
