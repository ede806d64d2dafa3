"""What the allocator keeps for the next call, and what it gives back."""

import subprocess
import sys

import pytest

# Faults are counted while blocks are made anew, after the allocator has seen them once; each of a
# page of 4 KiB, also where the system would give larger ones (PR_SET_THP_DISABLE).
_PROGRAM = """
import ctypes, resource
from model.memory import keep_freed_memory

assert ctypes.CDLL(None).prctl(41, 1, 0, 0, 0) == 0
keep_freed_memory()
size, count = {size} * 1024 * 1024, {count}

def fill():
    return [bytes([1]) * size for _ in range(count)]

fill()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
fill()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _new_pages(size: int, count: int) -> int:
    """How many pages the system had to give again for so many blocks of so many MiB."""
    command = [sys.executable, "-c", _PROGRAM.format(size=size, count=count)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.parametrize(("size", "count"), [(6, 1), (6, 5), (7, 4)])
def test_memory_of_large_calls_is_kept(size, count):
    """Blocks of up to 8 MiB, 32 MiB in all, take the very pages that the call before gave free."""
    assert _new_pages(size, count) < 100


@pytest.mark.parametrize(("size", "count"), [(9, 1), (6, 12)])
def test_more_than_that_is_given_back(size, count):
    """Larger blocks, and more of them than may stay, are the system's again after the call."""
    assert _new_pages(size, count) >= size * 256
