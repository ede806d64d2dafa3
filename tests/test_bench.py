"""The benchmark's own judgement: what it takes for right, and which bars it says are met."""

import pytest

from bench.load import Measured
from bench.rounds import Row
from bench.targets import judge


def _row(name: str, *rates: float) -> Row:
    return Row(name, tuple(Measured(rate, 1.0, 2.0, 0, 0) for rate in rates), 100)


def _found(
    table: dict[str, list[Row]], facts: dict[str, float], what: str
) -> tuple[object, object]:
    verdict = next(one for one in judge(table, facts) if one.what == what)
    return verdict.found, verdict.met


@pytest.mark.parametrize(("ours", "met"), [(1000.0, True), (999.0, False)])
def test_a_bar_is_the_median_ratio_to_the_best_peer(ours, met):
    """The best peer counts, not the first; floors and peers behind the door are others."""
    rows = [
        _row("gateway", ours, ours, ours),
        _row("bare", 10, 10, 10),
        _row("fastapi", 1000, 1000, 1000),
        _row("kserve, same door", 5000, 5000, 5000),
        _row("nginx alone", 9000, 9000, 9000),
        _row("in-process predict, 1 core", 9000, 9000, 9000),
    ]

    found = _found({"logistic, 1 row": rows}, {}, "1 row, logistic: best peer")

    assert found == (ours / 1000, met)


@pytest.mark.parametrize(("idle_mb", "met"), [(300.0, True), (300.1, False)])
def test_a_bar_for_memory_is_the_most_it_may_be(idle_mb, met):
    """Memory and times are at most what is wanted; ratios at least."""
    what = "idle, MB: nginx, 2 workers, tokens, Redis"

    assert _found({}, {"idle_mb": idle_mb}, what) == (idle_mb, met)


def test_what_was_not_measured_is_neither_met_nor_missed():
    """A quick run says "not run", and claims nothing."""
    assert {verdict.met for verdict in judge({}, {})} == {None}
