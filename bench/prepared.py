"""What a run needs made beforehand, and made once: `make bench-peers` ends with it."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench import models, trained
from bench.installation import PLAN, prove
from bench.launch import installed
from bench.peers import PEERS

SLOW = "neighbours"
SLOW_FOREST = "slow-forest"


def main() -> None:
    """Train every installed peer's models, and prove ours."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(trained.of_peer, [peer.name for peer in PEERS if installed(peer)]))
    artifacts = {name: trained.ours() / f"{name}.joblib" for name in models.MODELS}
    prove(artifacts, PLAN)
    prove({"logistic": artifacts["logistic"]}, PLAN)
    prove(slow_models(), PLAN)


def slow_models() -> dict[str, Path]:
    """One that reads much memory in each call, and one that computes."""
    return {name: trained.heavy(name) for name in (SLOW, SLOW_FOREST)}


if __name__ == "__main__":
    main()
