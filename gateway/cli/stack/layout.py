"""Where the parts of one stack live."""

import os
import shutil
import stat
import tempfile
from dataclasses import dataclass
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

# sun_path of a unix socket address holds 108 bytes with its final zero (unix(7)).
MAX_SOCKET_PATH_BYTES = 107
# These mean something in nginx's or Redis's configuration, even in quotes.
_SPECIAL = frozenset("\"'$\\;{}\n")


class UnusableFolder(Exception):
    """The data folder cannot hold this stack; the text says why."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders and sockets of one stack. Both folders are absolute."""

    data_dir: Path
    run_dir: Path

    @property
    def predictions_socket(self) -> Path:
        return self.run_dir / "predictions" / "app.sock"

    @property
    def tokens_socket(self) -> Path:
        return self.run_dir / "tokens" / "app.sock"

    @property
    def redis_dir(self) -> Path:
        return self.run_dir / "redis"

    @property
    def redis_socket(self) -> Path:
        return self.redis_dir / "redis.sock"

    @property
    def nginx_prefix(self) -> Path:
        """nginx's temporary files and its pid file."""
        return self.run_dir / "nginx"

    @property
    def nginx_temporary(self) -> Path:
        """Named in nginx.conf, relative to the prefix; nginx makes what it needs in it."""
        return self.nginx_prefix / "temp"

    @property
    def nginx_configuration(self) -> Path:
        return self.data_dir / "nginx"

    @property
    def tls_dir(self) -> Path:
        return self.data_dir / "tls"


def open_layout(data_dir: Path, *, reachable: bool) -> Layout:
    """Make the folders that hold everything else.

    Sockets are in `run` of the data folder. Where their path would be too long, or where other
    users cannot reach the data folder, `run` is a link to a private folder of this user among the
    system's temporary files, which later starts find by it.

    Args:
        data_dir: an absolute path.
        reachable: whether the users that the stack runs its parts under can get there.
    Raises:
        UnusableFolder: the path has characters that mean something to nginx.
    """
    if _SPECIAL & set(str(data_dir)):
        raise UnusableFolder(f"{data_dir}: a data folder may not have any of \"'$\\;{{}} in it")
    run_dir = data_dir / "run"
    if reachable and _short_enough(run_dir):
        if run_dir.is_symlink():
            run_dir.unlink()
        run_dir.mkdir(exist_ok=True)
        run_dir.chmod(0o711)
        return _with_folders(Layout(data_dir, run_dir))
    return _with_folders(Layout(data_dir, _run_dir_elsewhere(run_dir)))


def claim(data_dir: Path) -> int:
    """Keep a second stack from this folder; returns the descriptor that holds the claim.

    Every process of the stack inherits it, so that the claim ends with the last of them: an
    application that is still stopping would remove the socket of its successor.

    Raises: UnusableFolder, when another stack has it.
    """
    lock = os.open(data_dir / "stack.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        flock(lock, LOCK_EX | LOCK_NB)
    except OSError as exc:
        os.close(lock)
        raise UnusableFolder(
            f"{data_dir} belongs to a stack that runs, or is still stopping"
        ) from exc
    return lock


def close_layout(layout: Layout) -> None:
    """Remove what only a running stack needs from among the temporary files."""
    link = layout.data_dir / "run"
    if link.is_symlink():
        link.unlink()
        shutil.rmtree(layout.run_dir, ignore_errors=True)


def _with_folders(layout: Layout) -> Layout:
    for folder in (
        layout.predictions_socket.parent,
        layout.tokens_socket.parent,
        layout.redis_dir,
        layout.nginx_prefix,
        layout.nginx_temporary,
        layout.nginx_configuration,
    ):
        folder.mkdir(mode=0o700, exist_ok=True)
    return layout


def _short_enough(run_dir: Path) -> bool:
    longest = Layout(run_dir.parent, run_dir).predictions_socket
    return len(os.fsencode(longest)) <= MAX_SOCKET_PATH_BYTES


def _run_dir_elsewhere(link: Path) -> Path:
    if link.is_symlink():
        earlier = link.readlink()
        if _is_own_folder(earlier):
            return earlier
        link.unlink()
    elif link.exists():
        # What an earlier stack left in a folder nobody can use now; sockets and pid files only.
        link.rename(tempfile.mkdtemp(prefix="run-unused-", dir=link.parent))
    elsewhere = Path(tempfile.mkdtemp(prefix="gateway-run-"))
    elsewhere.chmod(0o711)
    link.symlink_to(elsewhere)
    return elsewhere


def _is_own_folder(path: Path) -> bool:
    # Anyone may make a folder among the temporary files: one that is not ours is not used.
    try:
        found = path.lstat()
    except OSError:
        return False
    private = stat.S_IMODE(found.st_mode) == 0o711
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and private
