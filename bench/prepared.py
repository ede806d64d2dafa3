"""What a run needs made beforehand, and made once: `make bench-peers` ends with it."""

import os
from concurrent.futures import ThreadPoolExecutor

from bench import models, trained
from bench.installation import PLAN, prove
from bench.launch import installed
from bench.peers import PEERS

SLOW = "neighbours"


def main() -> None:
    """Train every installed peer's models, and prove ours."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(trained.of_peer, [peer.name for peer in PEERS if installed(peer)]))
    artifacts = {name: trained.ours() / f"{name}.joblib" for name in models.MODELS}
    prove(artifacts, PLAN)
    prove({"logistic": artifacts["logistic"]}, PLAN)
    prove({SLOW: trained.heavy(SLOW)}, PLAN)


if __name__ == "__main__":
    main()
