"""The supervisor of `gateway stack`: order, ends, output, and nothing left over."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

WITHIN_S = 60.0

# Says what happens to it; ends when it is told to.
OBEDIENT = """
trap 'echo "{\\"event\\":\\"NAME stops\\"}"; exit 0' TERM
echo "{\\"event\\":\\"NAME starts\\",\\"pid\\":$$}"; : > "$READY"
while :; do sleep 0.02; done
"""
STUBBORN = """
trap '' TERM
echo "{\\"event\\":\\"NAME starts\\",\\"pid\\":$$}"; : > "$READY"
while :; do sleep 0.02; done
"""


def obedient(name: str, **facts: Any) -> dict[str, Any]:
    return {"name": name, "script": OBEDIENT.replace("NAME", name), **facts}


def stubborn(name: str, **facts: Any) -> dict[str, Any]:
    return {"name": name, "script": STUBBORN.replace("NAME", name), **facts}


class Supervised:
    """A running supervisor, and what it has written."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self.process = process
        self._folder = folder

    def events(self) -> list[dict[str, Any]]:
        lines = (self._folder / "stdout").read_bytes().splitlines()
        return [json.loads(line) for line in lines]

    def names(self) -> list[str]:
        return [event["event"] for event in self.events()]

    def said(self) -> str:
        return (self._folder / "stderr").read_text()

    def pid_of(self, name: str) -> int:
        pids = [event["pid"] for event in self.events() if event["event"] == f"{name} starts"]
        pid: int = pids[-1]
        return pid

    def until(self, fact: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WITHIN_S
        while not fact():
            assert time.monotonic() < deadline, f"in vain: {self.said()}"
            time.sleep(0.01)

    def until_ready(self) -> None:
        self.until(lambda: "all ready" in self.said())

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(WITHIN_S)


@contextmanager
def supervised(folder: Path, *groups: list[dict[str, Any]]) -> Iterator[Supervised]:
    ready = folder / "ready"
    ready.mkdir()
    script = Path(__file__).with_name("supervised.py")
    command = [sys.executable, str(script), str(ready), json.dumps(groups)]
    with (folder / "stdout").open("ab") as out, (folder / "stderr").open("ab") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err)
        try:
            yield Supervised(process, folder)
        finally:
            process.kill()
            process.wait()


def runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_groups_start_in_order_and_stop_in_reverse(tmp_path: Path) -> None:
    """What comes later needs what came before, at both ends."""
    with supervised(tmp_path, [obedient("store")], [obedient("app")], [obedient("edge")]) as stack:
        stack.until_ready()
        code = stack.stop()

    assert code == 0
    assert stack.names() == [
        *("store starts", "app starts", "edge starts"),
        *("edge stops", "app stops", "store stops"),
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_stops_all(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C, a service manager and a closed terminal end the stack alike."""
    with supervised(tmp_path, [obedient("app")]) as stack:
        stack.until_ready()
        stack.process.send_signal(number)
        code = stack.process.wait(WITHIN_S)

    assert code == 0
    assert stack.names() == ["app starts", "app stops"]


def test_end_of_a_vital_child_ends_the_stack(tmp_path: Path) -> None:
    """The stack says which child ended, and how, and leaves nothing running."""
    dying = {"name": "app", "script": ': > "$READY"; exit 7'}
    with supervised(tmp_path, [obedient("store")], [dying]) as stack:
        code = stack.process.wait(WITHIN_S)

    assert code == 1
    assert "failed: app ended with exit code 7" in stack.said()
    assert stack.names() == ["store starts", "store stops"]


def test_killed_child_is_named_with_its_signal(tmp_path: Path) -> None:
    """A child that the system killed is told from one that gave up."""
    with supervised(tmp_path, [obedient("app")]) as stack:
        stack.until_ready()
        os.kill(stack.pid_of("app"), signal.SIGKILL)
        code = stack.process.wait(WITHIN_S)

    assert code == 1
    assert "failed: app was ended by SIGKILL" in stack.said()


def test_other_child_is_started_again_and_said(tmp_path: Path) -> None:
    """The stack goes on without a child that is not vital, and brings it back, never silently."""
    with supervised(tmp_path, [obedient("store", vital=False)], [obedient("app")]) as stack:
        stack.until_ready()
        os.kill(stack.pid_of("store"), signal.SIGKILL)
        stack.until(lambda: "store has been started again" in stack.said())
        stack.until(lambda: stack.names().count("store starts") == 2)
        code = stack.stop()

    assert code == 0
    assert "WARNING: store was ended by SIGKILL" in stack.said()
    assert stack.names()[-2:] == ["app stops", "store stops"]


def test_child_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    """Stopping is bounded in time, and the rest is still stopped in order."""
    groups = [[obedient("store")], [stubborn("app", stop_within_s=0.2)]]
    with supervised(tmp_path, *groups) as stack:
        stack.until_ready()
        app = stack.pid_of("app")
        code = stack.stop()

    assert code == 0
    assert "app is killed" in stack.said()
    assert not runs(app)
    assert stack.names()[-1] == "store stops"


def test_second_signal_stops_at_once(tmp_path: Path) -> None:
    """Who asks twice does not wait for requests in flight."""
    with supervised(tmp_path, [stubborn("app", stop_within_s=60.0)]) as stack:
        stack.until_ready()
        stack.process.terminate()
        stack.until(lambda: "Stopping" in stack.said())
        begin = time.monotonic()
        code = stack.stop()

    assert code == 0
    assert time.monotonic() - begin < 10


def test_killed_supervisor_leaves_nothing_running(tmp_path: Path) -> None:
    """A supervisor that cannot stop anything any more takes its children with it."""
    with supervised(tmp_path, [obedient("store")], [obedient("app")]) as stack:
        stack.until_ready()
        pids = [stack.pid_of("store"), stack.pid_of("app")]
        stack.process.kill()

        stack.until(lambda: not any(runs(pid) for pid in pids))


def test_child_that_cannot_be_started_is_named(tmp_path: Path) -> None:
    """A child that ends before it is ready ends the stack."""
    with supervised(
        tmp_path, [{"name": "app", "script": "echo No such thing >&2; exit 3"}]
    ) as stack:
        code = stack.process.wait(WITHIN_S)

    assert code == 1
    assert "failed: app ended with exit code 3" in stack.said()


def test_output_is_one_stream_of_json(tmp_path: Path) -> None:
    """Objects pass as they are; everything else becomes an event that names its writer."""
    script = """
    printf '{"event":"one"}\\nplain \\n'; echo told >&2
    printf '{"ev'; printf 'ent":2}\\n'
    : > "$READY"; sleep 60
    """
    talkative = {"name": "app", "script": script}
    with supervised(tmp_path, [talkative]) as stack:
        stack.until_ready()
        stack.until(lambda: {"event": 2} in stack.events())
        stack.stop()
    objects = [event for event in stack.events() if "logger" not in event]
    wrapped = [event for event in stack.events() if "logger" in event]

    assert objects == [{"event": "one"}, {"event": 2}]
    # One event or two, as the pipe happened to be read.
    assert "\n".join(event["event"] for event in wrapped) == "plain \ntold"
    assert {(event["logger"], event["level"]) for event in wrapped} == {("app", "warning")}
