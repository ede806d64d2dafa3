"""What lets readers go on while every writer is away, and who may read a private file."""

import os
from pathlib import Path

import pytest

from gateway.auth.private_files import UnusableFile, read_private
from gateway.control import migrate
from gateway.control.database import HeldOpen, reading_engine, writing_engine


def companions(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"control.sqlite3"}


@pytest.mark.parametrize("held", [True, False])
def test_held_reader_keeps_sqlites_companion_files(tmp_path: Path, held: bool) -> None:
    """The last writer leaves; who may only read could not make the files again."""
    url = f"sqlite:///{tmp_path}/control.sqlite3"
    migrate.upgrade(url)
    writer = writing_engine(url)
    reader = HeldOpen(reading_engine(url))
    with writer.begin() as connection:
        connection.exec_driver_sql("UPDATE control_state SET revision = 7")
    if held:
        reader.hold()
        reader.hold()
    writer.dispose()

    assert (companions(tmp_path) == {"control.sqlite3-wal", "control.sqlite3-shm"}) is held


OWN, MOUNTED = os.geteuid(), 54321


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize(
    ("owner", "mode", "readable"),
    [
        (OWN, 0o600, True),
        (OWN, 0o640, False),
        (OWN, 0o604, False),
        (MOUNTED, 0o440, True),
        (MOUNTED, 0o400, True),
        (MOUNTED, 0o460, False),
        (MOUNTED, 0o444, False),
    ],
)
def test_group_may_read_a_mounted_secret_only(
    tmp_path: Path, owner: int, mode: int, readable: bool
) -> None:
    """That is how an engine gives a secret to a user who does not own it."""
    file = tmp_path / "key"
    file.write_bytes(b"secret")
    os.chown(file, owner, -1)
    file.chmod(mode)
    if readable:
        assert read_private(file) == b"secret"
    else:
        with pytest.raises(UnusableFile, match="is open to others"):
            read_private(file)
