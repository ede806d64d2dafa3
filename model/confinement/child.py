"""The other side of `run_confined`: gives everything away, then runs one module.

It is started without `site`, and as a package that holds nothing but its path, so that neither this
project's nor any library's code runs before the doors are shut. What it says to its parent goes
out by a channel of its own; what libraries print goes to stderr.
"""

import importlib.util
import json
import os
import resource
import runpy
import signal
import site
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from model.confinement.landlock import restrict_files
from model.confinement.seccomp import deny_system_calls
from model.confinement.system_calls import (
    PR_SET_DUMPABLE,
    PR_SET_NO_NEW_PRIVS,
    PR_SET_PDEATHSIG,
    drop_capabilities,
    leave_network,
    prctl,
)

# What the interpreter and the libraries look up outside their own folders.
_SYSTEM_FILES = (
    *("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime"),
    *("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat"),
    *("/proc/sys/vm/overcommit_memory", "/sys/devices/system", "/sys/fs/cgroup"),
    *("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random"),
)
_MAX_FILE_BYTES = 8 << 30
_MAX_OPEN_FILES = 256


def main(arguments: Sequence[str]) -> None:
    """Arguments: one JSON object, as `run_confined` writes it."""
    order = json.loads(arguments[0])
    with os.fdopen(os.dup(1), "w", 1, "utf-8", "replace") as channel:
        # `print` of a library, also one written in C, must not look like a report.
        os.dup2(2, 1)
        _say(channel, {"protections": confine(order)})
        sys.stdout = channel
        try:
            _run(order)
        except MemoryError:
            _say(channel, {"rejected": "it needs more memory than the limit allows"})
            os._exit(1)
        except Exception as exc:
            # Of this project's refusals only; other texts are of unknown origin.
            reason = getattr(exc, "reason", None) if _is_refusal(exc) else None
            _say(channel, {"rejected": reason or f"it failed with {type(exc).__name__}"})
            raise


def confine(order: dict[str, Any]) -> list[str]:
    """Shut every door there is a key for; the names of those that are shut."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != order["parent"]:
        os._exit(1)
    os.umask(0o077)
    _limit(resource.RLIMIT_AS, order["memory_bytes"])
    _limit(resource.RLIMIT_CPU, order["cpu_s"], more=1)
    _limit(resource.RLIMIT_FSIZE, _MAX_FILE_BYTES)
    _limit(resource.RLIMIT_NOFILE, _MAX_OPEN_FILES)
    _limit(resource.RLIMIT_CORE, 0)
    own_network = leave_network()
    privileges = prctl(PR_SET_NO_NEW_PRIVS, 1) and drop_capabilities()
    prctl(PR_SET_DUMPABLE, 0)
    readable = [*_SYSTEM_FILES, *order["readable"]]
    files = restrict_files(readable, [order["folder"]])
    calls = deny_system_calls()
    shut = {
        "memory": True,
        "cpu time": True,
        "no network": own_network or calls,
        "no new privileges": privileges,
        "no keys": files,
        "read-only files": files,
        "no new processes": calls,
        "no access to other processes": calls,
    }
    return [name for name, done in shut.items() if done]


def _limit(kind: int, value: int, more: int = 0) -> None:
    """`more` is what the kernel waits beyond the limit, between its warning and its kill."""
    _, hardest = resource.getrlimit(kind)
    ceiling = value + more if hardest == resource.RLIM_INFINITY else min(hardest, value + more)
    resource.setrlimit(kind, (min(value, ceiling), ceiling))


def _run(order: dict[str, Any]) -> None:
    # From here on it is an ordinary program.
    for name in [name for name in sys.modules if name.partition(".")[0] == "model"]:
        del sys.modules[name]
    site.main()
    sys.path.extend(order["search_path"])
    _import_package()
    sys.argv = [order["module"]]
    runpy.run_module(order["module"], run_name="__main__", alter_sys=True)


def _import_package() -> None:
    """Ours, from its own folder: the one around it is closed, and no other may pass for it."""
    face = Path(__file__).parents[1] / "__init__.py"
    spec = importlib.util.spec_from_file_location("model", face)
    if spec is None or spec.loader is None:
        raise ImportError("model")
    module = importlib.util.module_from_spec(spec)
    sys.modules["model"] = module
    spec.loader.exec_module(module)


def _is_refusal(exc: BaseException) -> bool:
    errors = sys.modules.get("model.errors")
    return errors is not None and isinstance(exc, errors.ArtifactRejected)


def _say(channel: Any, what: dict[str, Any]) -> None:
    # A line of its own, whatever was printed before it.
    channel.write(f"\n{json.dumps(what)}\n")
    channel.flush()
