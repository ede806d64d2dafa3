"""Every decoder against changed bodies: a short run, and whatever longer runs have found."""

from pathlib import Path

import pytest
from fuzzing import CORPUS, SEEDS, decode, fuzz


@pytest.mark.parametrize("name", list(SEEDS))
def test_good_bodies_are_read(name: str) -> None:
    """What the fuzzer begins with is not refused at once."""
    for body in SEEDS[name]:
        decode(name, body)


@pytest.mark.parametrize("case", sorted(CORPUS.glob("*-*")), ids=lambda case: case.name)
def test_what_was_found_stays_mended(case: Path) -> None:
    """Each case that once raised, hung or crashed is read or refused."""
    decode(case.name.rpartition("-")[0], case.read_bytes())


def test_changed_bodies_are_read_or_refused() -> None:
    """Some thousand of them, the same in every run; `make fuzz` tries others for longer."""
    assert fuzz(list(SEEDS), seed=1, cases=300, seconds=0) == []
