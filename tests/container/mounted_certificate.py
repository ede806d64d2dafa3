"""A certificate as operators mount it: docs/container.md, "Own certificate"."""

import os
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from own_certificate import own_certificate

GATEWAY_GROUP = 64200


def mount_certificate(folder: Path) -> Path:
    """A new one for localhost, its own authority, in place of what the folder has; as root."""
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        ends = datetime.now(UTC) + timedelta(days=60)
        for path in own_certificate(Path(made) / "own", "localhost", ends=ends).iterdir():
            os.chown(path, 0, GATEWAY_GROUP)
            path.chmod(0o640)
            path.rename(folder / path.name)
    os.chown(folder, 0, GATEWAY_GROUP)
    folder.chmod(0o750)
    return folder
