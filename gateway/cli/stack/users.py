"""Who runs what. As root, every part gets a user of its own; else all are the starting user.

The prediction workers unpickle models, so they are the part to distrust: they may read the
control store and the models, write their status and count in Redis. Private keys belong to the
token service. nginx's workers may connect to the two applications, and to nothing else.
"""

import os
import pwd
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

# Numbers need no entry in /etc/passwd. Debian gives these to nobody (policy 9.2.2).
GATEWAY_GROUP = 64200
_PREDICTIONS, _TOKENS, _REDIS = 64201, 64202, 64203
_NGINX_USERS = ("www-data", "nginx", "nobody")

# What a child does first: find the code, its libraries and the configuration.
# Where a user cannot reach this interpreter's library, the loader may find that of another one.
_PROBE = (
    "import pathlib, sys, gateway, model, config, click, orjson;"
    "pathlib.Path('config/gateway.toml').is_file();"
    "sys.exit(sys.version != sys.argv[1])"
)


@dataclass(frozen=True, slots=True)
class Identity:
    """A user by number, with a group of its own and further groups."""

    uid: int
    groups: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Users:
    """Who runs each part; None is the starting user.

    Attributes:
        nginx: name and group of nginx's workers.
    """

    predictions: Identity | None = None
    tokens: Identity | None = None
    redis: Identity | None = None
    nginx: tuple[str, int] | None = None


def others_can_reach(folder: Path) -> bool:
    """Whether the users of the parts can get to a folder. True where there are none."""
    if os.geteuid() != 0:
        return True
    return _runs_as(Identity(_PREDICTIONS), ["/usr/bin/test", "-x", str(folder)])


def choose_users(say: Callable[[str], None], *, data_dir: Path, reachable: bool) -> Users:
    """Decide, and say loudly where a part has to stay with the starting user.

    Args:
        reachable: what `others_can_reach` found for the data folder.
    """
    if os.geteuid() != 0:
        return Users()
    redis, nginx = Identity(_REDIS), _nginx_user()
    if not reachable:
        say(_warning(f"cannot enter {data_dir}", "Use a data folder all users can get to"))
        return Users(redis=redis, nginx=nginx)
    if not _runs_as(Identity(_PREDICTIONS), [sys.executable, "-c", _PROBE, sys.version]):
        say(_warning(f"cannot run {_interpreter()}", _OTHER_INTERPRETER))
        return Users(redis=redis, nginx=nginx)
    return Users(
        predictions=Identity(_PREDICTIONS, (GATEWAY_GROUP,)),
        tokens=Identity(_TOKENS, (GATEWAY_GROUP,)),
        redis=redis,
        nginx=nginx,
    )


_OTHER_INTERPRETER = (
    "Make the virtual environment with a Python all users can run (such as Debian's"
    " /usr/bin/python3), in a checkout all users can read"
)


def _interpreter() -> str:
    return f"{sys.executable} ({Path(sys.executable).resolve()}) with the code of this checkout"


def _warning(reason: str, remedy: str) -> str:
    return (
        "WARNING: predictions and tokens both run as root, unseparated: uid"
        f" {_PREDICTIONS} {reason}. {remedy}, then start again."
    )


def _nginx_user() -> tuple[str, int] | None:
    for name in _NGINX_USERS:
        try:
            return name, pwd.getpwnam(name).pw_gid
        except KeyError:
            continue
    return None


def _runs_as(identity: Identity, command: Sequence[str]) -> bool:
    try:
        done = subprocess.run(  # noqa: S603  # A constant, or this interpreter.
            command,
            user=identity.uid,
            group=identity.uid,
            extra_groups=identity.groups,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
