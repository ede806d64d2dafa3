"""Each batch goes to the engine that clearly wins at its size."""

import threading
from dataclasses import dataclass, field

import numpy as np
import pytest

from model import ArtifactRejected, Batch, Contract
from model.engines.record import EngineRecord
from model.engines.routed import RoutedModel
from model.engines.timing import measure, routes

CONTRACT = Contract("m", "1", "", (), (), ())
MS = 1e-3


@dataclass
class Engine:
    """An engine that remembers the sizes it was asked for, and takes its time for each row."""

    now: list[float] = field(default_factory=lambda: [0.0])
    s_per_row: float = 0.0
    contract: Contract = CONTRACT
    asked: list[int] = field(default_factory=list)

    def predict(self, batch: Batch) -> dict[str, np.ndarray]:
        self.asked.append(batch.row_count)
        self.now[0] += self.s_per_row * batch.row_count
        return {}


def batch_of(count: int) -> Batch:
    return Batch(np.zeros((count, 1)))


@pytest.mark.parametrize(
    ("compiled_s", "native_s", "expected"),
    [
        ({1: 1 * MS, 100: 10 * MS}, {1: 5 * MS, 100: 8.1 * MS}, ((1, "onnx"),)),
        ({1: 1 * MS, 100: 10 * MS}, {1: 5 * MS, 100: 8 * MS}, ((1, "onnx"), (67, "native"))),
        # A gain below a millisecond is none.
        ({1: 0.1 * MS, 100: 1.9 * MS}, {1: 0.5 * MS, 100: 1 * MS}, ((1, "onnx"),)),
        ({1: 1 * MS, 100: 1 * MS}, {1: 0.81 * MS, 100: 0.9 * MS}, ((1, "onnx"),)),
        ({1: 1 * MS, 100: 1 * MS}, {1: 0.8 * MS, 100: 0.9 * MS}, ((1, "native"),)),
        (
            {1: 1 * MS, 100: 1 * MS},
            {1: 0.5 * MS, 100: 9 * MS},
            ((1, "native"), (7, "onnx")),
        ),
    ],
)
def test_an_engine_takes_over_where_it_clearly_wins(compiled_s, native_s, expected):
    """By a fifth and a millisecond, from the crossing of the lines between two sizes on."""
    assert routes({"onnx": compiled_s, "native": native_s}, "onnx") == expected


def test_a_batch_goes_to_the_engine_of_its_size():
    """Both sides of the crossing."""
    small, large = Engine(), Engine()
    model = RoutedModel(CONTRACT, [(1, small), (100, large)])
    for count in (1, 99, 100, 5_000):
        model.predict(batch_of(count))

    assert (small.asked, large.asked) == ([1, 99], [100, 5_000])


def test_sizes_beyond_the_cap_or_too_slow_are_not_measured():
    """The contract's cap holds, and nobody waits for what is known to be slow."""
    now = [0.0]
    quick, slow = Engine(now, 1e-6), Engine(now, 1e-2)
    times = measure({"quick": quick, "slow": slow}, batch_of, 1_000, clock=lambda: now[0])

    assert list(times["quick"]) == list(times["slow"]) == [1, 10, 100]
    assert times["slow"][10] == pytest.approx(0.1)
    capped = measure({"quick": quick}, batch_of, 10, clock=lambda: now[0])
    assert list(capped["quick"]) == [1, 10]


def test_what_else_runs_on_the_machine_is_not_measured():
    """An engine that waits, as all do where the processor is another's, is not slow for that."""

    class Waiting(Engine):
        def predict(self, batch: Batch) -> dict[str, np.ndarray]:
            self.asked.append(batch.row_count)
            threading.Event().wait(0.002)
            return {}

    times = measure({"waiting": Waiting()}, batch_of, 1)

    assert times["waiting"][1] < 0.001


def test_what_is_recorded_can_be_read_again():
    """As JSON, without loss."""
    record = EngineRecord(
        ((1, "onnx"), (50, "native")),
        "",
        {"range": 4},
        1e-9,
        {"onnx": {1: 0.5}, "native": {1: 1.0}},
    )

    assert EngineRecord.from_json(record.to_json()) == record


@pytest.mark.parametrize(
    "change",
    [
        {"routes": []},
        {"routes": [[2, "onnx"]]},
        {"routes": [[1, "onnx"], [1, "native"]]},
        {"routes": [[1, "/etc/passwd"]]},
        {"routes": [[True, "onnx"]]},
        {"reason": "a\x1b[31m"},
        {"reason": "x" * 500},
        {"rows": {"range": -1}},
        {"largest_difference": float("nan")},
        {"times_s": {"onnx": {"one": 1.0}}},
        {"times_s": None},
    ],
)
def test_a_record_that_was_made_up_is_refused(change):
    """It comes out of a process that may have turned hostile."""
    document = EngineRecord(((1, "onnx"),)).to_json() | change

    with pytest.raises(ArtifactRejected, match="engines is damaged"):
        EngineRecord.from_json(document)
