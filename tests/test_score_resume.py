"""`gateway score` that was killed, stopped or overtaken: nothing is lost, doubled or mixed."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from app_fixture import add_version
from fakes import SlowEcho, save_artifact
from live_gateway import LiveGateway
from score_fixtures import ROOT, Scorer, scoring_gateway

from gateway.scoring.errors import ScoringFailed
from gateway.scoring.output_lock import locked

ROWS = 2_400
HEADER = ["id", "x0", "x1"]
CALL_ROWS = 100
OPTIONS = ("--model", "slow", "--rows-per-call", str(CALL_ROWS), "--concurrency", "3")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    with scoring_gateway(tmp_path_factory.mktemp("scoring")) as gateway:
        yield gateway


@pytest.fixture
def scorer(served: LiveGateway, tmp_path: Path) -> Iterator[Scorer]:
    scorer = Scorer(served, tmp_path)
    rows = [[f"c{at}", str(float(at)), "1"] for at in range(ROWS)]
    for at in (50, 1_000, 2_399):
        rows[at][1] = "none of a number"
    # A quoted line break, so that lines and rows are not the same.
    rows[700][0] = "c\n700"
    scorer.write("in.csv", HEADER, rows)
    served.calls.clear()
    yield scorer
    served.before = lambda _path: None


def start(scorer: Scorer, output: str) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    credentials = scorer.served.credentials(scorer.folder / "credentials.json")
    command = [sys.executable, "-m", "gateway.cli", "score", str(scorer.folder / "in.csv")]
    command += [*OPTIONS, "-o", str(scorer.folder / output)]
    environment = {**os.environ, "GATEWAY_CREDENTIALS": str(credentials)}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)


def end_at_call(scorer: Scorer, output: str, call: int, how: signal.Signals) -> tuple[int, str]:
    """Start it, and send it a signal when its so-many-th call comes in."""
    calls = iter(range(1, 10_000))
    process = start(scorer, output)
    pid = process.pid

    def before(_path: str) -> None:
        if next(calls) == call:
            os.kill(pid, how)

    scorer.served.before = before
    _, said = process.communicate(timeout=60)
    scorer.served.before = lambda _path: None
    return process.returncode, said


def finished(scorer: Scorer, output: str) -> str:
    """Run the same command to its end; what was said."""
    names = str(scorer.folder / "in.csv"), "-o", str(scorer.folder / output)
    result = scorer.run(*names, *OPTIONS)
    assert result.exit_code == 3, result.output
    return result.stderr


def check(scorer: Scorer, output: str) -> None:
    """Every row once, in order, with its own answer; the report as if nothing had happened."""
    path = scorer.folder / output
    rows = pq.read_table(path).to_pylist() if path.suffix == ".parquet" else scorer.read(output)
    answers = [
        float("-1" if row["predictions"] in {None, ""} else row["predictions"]) for row in rows
    ]
    refused = {50, 1_000, 2_399}

    assert [row["id"].replace("\n", "") for row in rows] == [f"c{at}" for at in range(ROWS)]
    assert answers == [-1.0 if at in refused else float(at) for at in range(ROWS)]
    assert scorer.refused(output) == [
        ("51", "52", "x0", "string_value"),
        ("1001", "1003", "x0", "string_value"),
        ("2400", "2402", "x0", "string_value"),
    ]
    assert {name for name in scorer.files() if name.startswith(output)} == {
        output,
        f"{output}.refused.csv",
    }


@pytest.mark.parametrize(("end", "call"), [(".csv", 2), (".csv", 14), (".parquet", 21)])
def test_killed_runs_are_finished_by_the_same_command(scorer, end, call):
    """SIGKILL early, in the middle and near the end; then the file is as if it had not been."""
    output = f"out{end}"
    code, _ = end_at_call(scorer, output, call, signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert not (scorer.folder / output).exists()
    scorer.served.calls.clear()
    said = finished(scorer, output)

    check(scorer, output)
    if call > 13:
        assert "Going on after " in said
        answered = [c for c in scorer.served.predict_calls() if c.status == 200]
        assert len(answered) < ROWS // CALL_ROWS


def test_a_run_that_is_killed_twice(scorer):
    """What the second run found, and what it did, both count."""
    for call in (13, 12):
        end_at_call(scorer, "out.csv", call, signal.SIGKILL)
    finished(scorer, "out.csv")

    check(scorer, "out.csv")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_in_order(scorer, how):
    """Exit code 130, one line, no traceback; all that was answered in order is kept."""
    code, said = end_at_call(scorer, "out.csv", 12, how)

    assert code == 130, said
    assert "Interrupted after " in said
    assert "Traceback" not in said
    assert "Going on after " in finished(scorer, "out.csv")
    check(scorer, "out.csv")


def test_answers_are_on_the_disk_before_a_long_wait(scorer):
    """Killed while it waits, for a plan's hour say, a run asks again for nothing it had."""
    calls = iter(range(1, 10_000))
    on_disk: list[int] = []

    def before(_path: str) -> None:
        if next(calls) == 6:
            deadline = time.monotonic() + 20
            while rows_on_disk(scorer) < 5 * CALL_ROWS and time.monotonic() < deadline:
                time.sleep(0.02)  # A pause between polls, not a wait for a state.
            on_disk.append(rows_on_disk(scorer))

    scorer.served.before = before
    names = str(scorer.folder / "in.csv"), "-o", str(scorer.folder / "out.csv")
    scorer.run(*names, *OPTIONS, "--concurrency", "1")

    assert on_disk == [5 * CALL_ROWS]


def rows_on_disk(scorer: Scorer) -> int:
    """What a run that is killed now would go on after."""
    path = scorer.folder / "out.csv.progress"
    return json.loads(path.read_bytes())["done"]["end"][0] if path.exists() else 0


def test_another_file_is_not_continued(scorer):
    """A changed input, or other columns, belong to another job: --restart is needed."""
    end_at_call(scorer, "out.csv", 14, signal.SIGKILL)
    names = str(scorer.folder / "in.csv"), "-o", str(scorer.folder / "out.csv")
    kept = scorer.run(*names, *OPTIONS, "--keep", "none")
    os.utime(scorer.folder / "in.csv", (1, 1))
    changed = scorer.run(*names, *OPTIONS)

    assert (kept.exit_code, changed.exit_code) == (1, 1)
    assert "(kept differ)" in kept.stderr
    assert "(input_modified_ns differ)" in changed.stderr
    assert scorer.run(*names, *OPTIONS, "--restart").exit_code == 3
    check(scorer, "out.csv")


def test_partial_file_that_was_touched_is_not_continued(scorer):
    """Cut off, it cannot be what the journal says."""
    end_at_call(scorer, "out.csv", 14, signal.SIGKILL)
    os.truncate(scorer.folder / "out.csv.partial", 10)
    names = str(scorer.folder / "in.csv"), "-o", str(scorer.folder / "out.csv")
    result = scorer.run(*names, *OPTIONS)

    assert result.exit_code == 1
    assert "out.csv.partial is not what it was; --restart" in result.stderr


def test_two_at_once_do_not_write_one_file(scorer):
    """The second is told, and a third as well: being refused takes nobody's lock away."""
    with (scorer.folder / "out.csv.progress.lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        names = str(scorer.folder / "in.csv"), "-o", str(scorer.folder / "out.csv")
        results = [scorer.run(*names, *OPTIONS) for _ in range(2)]

    assert [result.exit_code for result in results] == [1, 1]
    assert all("Another process is writing" in result.stderr for result in results)


def test_a_promotion_in_between_is_not_mixed_in(scorer):
    """The rest is answered by the version of the rows before; once that is gone, it ends."""
    gateway = scorer.served.gateway
    source = save_artifact(scorer.folder / "slow2", SlowEcho(0.03))
    add_version(gateway.control, "slow", "2", source)
    end_at_call(scorer, "out.csv", 14, signal.SIGKILL)
    end_at_call(scorer, "other.csv", 14, signal.SIGKILL)
    gateway.control.store.promote_model("slow", "2", 3600)
    gateway.refresh()
    said = finished(scorer, "out.csv")
    gateway.control.store.promote_model("slow", "1", 0)
    gateway.control.store.promote_model("slow", "2", 0)
    gateway.refresh()
    names = str(scorer.folder / "in.csv"), "-o", str(scorer.folder / "other.csv")
    gone = scorer.run(*names, *OPTIONS)

    assert "Version 2 is in service now; the rest is answered by 1" in said
    check(scorer, "out.csv")
    assert gone.exit_code == 1
    assert "was answered by version 1, and cannot be finished with it" in gone.stderr
    anew = scorer.run(*names, *OPTIONS, "--restart")
    assert "by version 2" in anew.stderr


def test_a_lock_that_was_taken_away_holds_nothing(tmp_path, monkeypatch):
    """A run that opens the file while another ends and removes it locks the one that is there."""
    output = tmp_path / "out.csv"
    lock = tmp_path / "out.csv.progress.lock"
    lock_file, ends = fcntl.flock, iter([lock.unlink])

    def lock_late(file: object, how: int) -> None:
        next(ends, lambda: None)()
        lock_file(file, how)

    monkeypatch.setattr(fcntl, "flock", lock_late)
    with locked(output):
        assert lock.is_file()
        with pytest.raises(ScoringFailed, match="Another process is writing"), locked(output):
            pass

        assert lock.is_file()
    assert not lock.exists()
