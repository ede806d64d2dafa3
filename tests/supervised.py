"""A supervisor with shell scripts for children, as a process of its own: it owns the signals.

    python supervised.py FOLDER JSON

JSON is a list of groups of children: `{"name", "script", "vital", "stop_within_s"}`. A child is
ready when it has made the file of its name in FOLDER.
"""

import json
import sys
from pathlib import Path
from typing import Any

from gateway.cli.stack.child import Child
from gateway.cli.stack.processes import StackFailed, Supervisor


def say(text: str) -> None:
    """Tell the test."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def child(folder: Path, spec: dict[str, Any]) -> Child:
    """A child that says what it does, as JSON on stdout."""
    return Child(
        spec["name"],
        ["/bin/sh", "-c", spec["script"]],
        ready=(folder / spec["name"]).exists,
        stop_within_s=spec.get("stop_within_s", 10.0),
        vital=spec.get("vital", True),
        environment={"READY": str(folder / spec["name"])},
    )


def main(folder: Path, groups: list[list[dict[str, Any]]]) -> None:
    """Run until told to stop; exit code 1 where the stack failed."""
    supervisor = Supervisor(say, sys.stdout.fileno(), restart_after_s=0.0)
    children = [[child(folder, spec) for spec in group] for group in groups]
    try:
        supervisor.run(children, announce=lambda: say("all ready"))
    except StackFailed as exc:
        say(f"failed: {exc}")
        sys.exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
