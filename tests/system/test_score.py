"""`gateway score` against the whole stack: TLS, limits in Redis, a plan that is used up."""

import csv
import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from stack_process import EXAMPLE_ROW, GATEWAY, ROOT, Stack, bearer

# Says how much memory the command had at its peak; a child of pytest itself would inherit pytest's.
_MEASURED = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
sys.exit(code)
"""


@dataclass(frozen=True)
class Run:
    code: int
    said: str
    peak_bytes: int


@dataclass(frozen=True)
class Folder:
    """Someone with a file, credentials and an authority to trust; no more of the installation."""

    path: Path
    stack: Stack
    partner: dict[str, str]
    features: list[str]

    def write_rows(self, count: int) -> None:
        """Rows with an id, one malignant and the next benign."""
        halves = [value / 2 for value in EXAMPLE_ROW]
        texts = [",".join(map(str, row)) for row in (EXAMPLE_ROW, halves)]
        with (self.path / "in.csv").open("w") as file:
            file.write(",".join(["id", *self.features]) + "\n")
            file.writelines(f"c{at},{texts[at % 2]}\n" for at in range(count))

    def start(self, *arguments: str, trusting: bool = True) -> subprocess.Popen[str]:
        """`gateway score in.csv -o out.csv`, in a process of its own."""
        credentials = {**self.partner, "base_url": self.stack.base_url}
        (self.path / "credentials.json").write_text(json.dumps(credentials))
        environment = {name: value for name, value in os.environ.items() if "GATEWAY" not in name}
        environment["GATEWAY_CREDENTIALS"] = str(self.path / "credentials.json")
        if trusting:
            environment["GATEWAY_CA_FILE"] = str(self.stack.data_dir / "tls/ca.pem")
        command = [*GATEWAY, "score", str(self.path / "in.csv"), "--model", "breast-cancer"]
        command += ["-o", str(self.path / "out.csv"), *arguments]
        return subprocess.Popen(
            [sys.executable, "-c", _MEASURED, *command],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def score(self, *arguments: str, trusting: bool = True) -> Run:
        process = self.start(*arguments, trusting=trusting)
        printed, said = process.communicate(timeout=120)
        return Run(process.returncode, said, int(printed))

    def rows_on_disk(self) -> int:
        """What an interrupted run would go on after."""
        try:
            journal = json.loads((self.path / "out.csv.progress").read_bytes())
        except FileNotFoundError:
            return 0
        row: int = journal["done"]["end"][0]
        return row

    def check(self, count: int) -> None:
        """Every row once, in order, with its own answer."""
        with (self.path / "out.csv").open(newline="") as file:
            found = [(row["id"], row["predictions"]) for row in csv.DictReader(file)]
        assert found == [(f"c{at}", "01"[at % 2]) for at in range(count)]


@pytest.fixture(scope="module")
def analyst(stack: Stack) -> dict[str, str]:
    return stack.create_partner("analyst")


@pytest.fixture(scope="module")
def features(stack: Stack, analyst: dict[str, str]) -> list[str]:
    token = stack.token(analyst)
    with stack.client() as client:
        contract = client.get("/v1/models/breast-cancer", headers=bearer(token)).json()
    return [feature["name"] for feature in contract["features"]]


@pytest.fixture
def folder_of_analyst(
    stack: Stack, analyst: dict[str, str], features: list[str], tmp_path: Path
) -> Folder:
    return Folder(tmp_path, stack, analyst, features)


@pytest.fixture(scope="module")
def on_trial(stack: Stack) -> dict[str, str]:
    """A partner of 20 calls a second."""
    return stack.create_partner("on-trial", "trial")


@pytest.fixture
def folder_on_trial(
    stack: Stack, on_trial: dict[str, str], features: list[str], tmp_path: Path
) -> Folder:
    return Folder(tmp_path, stack, on_trial, features)


def answered(stack: Stack, partner: str) -> list[int]:
    """Statuses of its calls for predictions."""
    return [
        event["status"]
        for event in stack.events("request_finished")
        if event.get("partner") == partner and event["route"].endswith("/predict")
    ]


def test_many_rows_need_no_more_memory_than_few(folder_of_analyst: Folder) -> None:
    """200,000 rows over TLS: each answered, in order; the peak grows by far less than the file."""
    folder = folder_of_analyst
    peaks = []
    for count in (20_000, 200_000):
        folder.write_rows(count)
        run = folder.score("--overwrite", "--rows-per-call", "1000")
        assert run.code == 0, run.said
        assert f"{count:,} rows in" in run.said
        folder.check(count)
        peaks.append(run.peak_bytes)
    file_bytes = (folder.path / "in.csv").stat().st_size

    assert peaks[1] - peaks[0] < file_bytes / 2, (peaks, file_bytes)


def test_a_plan_is_waited_for_rather_than_run_into(folder_on_trial: Folder) -> None:
    """80 calls of a partner of 20 a second, four at once: hardly one is refused.

    A client that kept no pace would be refused with every thread in every second: about 12 times.
    """
    folder = folder_on_trial
    folder.write_rows(800)
    before = len(answered(folder.stack, "on-trial"))
    run = folder.score("--rows-per-call", "10", "--concurrency", "4")
    assert run.code == 0, run.said
    folder.check(800)
    folder.stack.wait_until(
        lambda: answered(folder.stack, "on-trial")[before:].count(200) == 80, 30, "logged"
    )

    assert answered(folder.stack, "on-trial")[before:].count(429) <= 6


def test_two_processes_share_one_plan(folder_on_trial: Folder) -> None:
    """Each runs into what the other used, waits for it, and ends with every answer."""
    folder = folder_on_trial
    (folder.path / "other").mkdir()
    other = Folder(folder.path / "other", folder.stack, folder.partner, folder.features)
    for each in (folder, other):
        each.write_rows(300)
    with ThreadPoolExecutor(2) as runs:
        ended = list(runs.map(lambda each: each.score("--rows-per-call", "10"), (folder, other)))

    assert [run.code for run in ended] == [0, 0], ended
    folder.check(300)
    other.check(300)


@pytest.fixture
def interrupted(stack: Stack, features: list[str], tmp_path: Path) -> Folder:
    """A run that its plan makes last 15 s, killed once some of its rows were on the disk."""
    folder = Folder(tmp_path, stack, stack.create_partner("interrupted", "trial"), features)
    folder.write_rows(6_000)
    process = folder.start("--rows-per-call", "20")
    try:
        stack.wait_until(lambda: folder.rows_on_disk() > 0, 60, "begun")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    # What is left need not take as long.
    stack.cli("partner", "set", "interrupted", "--plan", "unlimited")
    return folder


def test_a_run_that_was_killed_is_finished_by_the_same_command(interrupted: Folder) -> None:
    """SIGKILL in the middle, with calls in flight over TLS: no row is lost or doubled."""
    assert not (interrupted.path / "out.csv").exists()
    done = interrupted.rows_on_disk()
    run = interrupted.score("--rows-per-call", "20")

    assert run.code == 0, run.said
    assert f"Going on after {done:,} rows" in run.said
    interrupted.check(6_000)


def test_an_unknown_authority_is_refused(folder_of_analyst: Folder) -> None:
    """Without GATEWAY_CA_FILE the certificate is nobody's: one line says so, and no traceback."""
    folder_of_analyst.write_rows(1)
    run = folder_of_analyst.score(trusting=False)

    assert run.code == 1
    assert "TLS with localhost failed" in run.said
    assert "--ca-file" in run.said
    assert "Traceback" not in run.said
