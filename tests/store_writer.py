"""Run as a program by `test_control_store`: writes a control store and says what is done.

Arguments: the URL, what to do (`claim` audit entries, or `create` partners until killed or so
many), and in how many processes.
"""

import itertools
import os
import sys
import time

from gateway.control.database import writing_engine
from gateway.control.store import ControlStore


def claim(url: str, actor: str) -> None:
    """Claim audit entries until there are none; print their ids."""
    store = ControlStore(writing_engine(url), actor=actor, clock=time.time)
    for entries in iter(store.claim_unlogged_audit, []):
        os.write(1, "".join(f"{entry.id}\n" for entry in entries).encode())


def create(url: str, actor: str, count: int | None = None) -> None:
    """Create partners, and print the name of each once it is done."""
    store = ControlStore(writing_engine(url), actor=actor, clock=time.time)
    for number in itertools.islice(itertools.count(), count):
        name = f"{actor}-{number}"
        store.create_partner(name, f"{name}-id", "standard", ("model:*:predict",), "d" * 64)
        os.write(1, f"{name}\n".encode())


def main(url: str, what: str, processes: int) -> None:
    children = []
    for number in range(processes):
        child = os.fork()
        if child == 0:
            if what == "claim":
                claim(url, f"w{number}")
            else:
                create(url, f"w{number}", int(what))
            os._exit(0)
        children.append(child)
    sys.exit(any(os.waitpid(child, 0)[1] for child in children))


if __name__ == "__main__":
    if sys.argv[2] == "create":
        create(sys.argv[1], "w")
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
