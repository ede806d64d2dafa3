"""What a hostile model would try once it runs. Started by `run_confined`, in its folder.

`ask.json` there says which attempts to make, and where the parent keeps what must stay safe.
"""

import ctypes
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

ASK = json.loads(Path("ask.json").read_text())
SECRET, PORT, PARENT = Path(ASK["secret"]), ASK["port"], os.getppid()
LIBC = ctypes.CDLL(None, use_errno=True)


def check(result: int) -> None:
    """Raise as Python does where a call of the C library says -1."""
    if result == -1:
        raise OSError(ctypes.get_errno(), "refused")


def fork() -> None:
    if os.fork() == 0:
        os._exit(0)


ATTEMPTS: dict[str, Callable[[], object]] = {
    "connect": lambda: socket.create_connection(("127.0.0.1", PORT), 1),
    "bind": lambda: socket.socket().bind(("127.0.0.1", 0)),
    "unix socket": lambda: socket.socket(socket.AF_UNIX).connect("/run/any.sock"),
    "read a key": SECRET.read_bytes,
    "read the password file": Path("/etc/shadow").read_bytes,
    "list the parent's folder": lambda: list(SECRET.parent.iterdir()),
    "read the parent's environment": lambda: Path(f"/proc/{PARENT}/environ").read_bytes(),
    "write outside": lambda: SECRET.with_name("new").write_text("x"),
    "write into the package": lambda: Path(sys.prefix, "evil.pth").write_text("x"),
    "remove a file outside": SECRET.unlink,
    "change rights outside": lambda: SECRET.chmod(0o777),
    "link out of the folder": lambda: Path("link").symlink_to(SECRET),
    "trace the parent": lambda: check(LIBC.ptrace(16, PARENT, 0, 0)),
    "read the parent's memory": lambda: check(LIBC.process_vm_readv(PARENT, 0, 0, 0, 0, 0)),
    "signal the parent": lambda: os.kill(PARENT, signal.SIGCONT),
    "limit the parent": lambda: check(LIBC.prlimit(PARENT, 7, 0, 0)),
    "another user namespace": lambda: check(LIBC.unshare(0x10000000)),
    "exec": lambda: os.execv("/bin/sh", ["sh", "-c", "true"]),  # noqa: S606
    "fork": fork,
    "allocate": lambda: bytearray(4 << 30),
}


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def start_a_thread() -> None:
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()


def spin() -> None:
    while True:
        pass


def close_and_wait() -> None:
    """Forever, with nothing left to listen to."""
    sys.stdout.close()
    for descriptor in range(3, 16):
        try:
            os.close(descriptor)
        except OSError:
            continue
    os.close(1)
    os.close(2)
    signal.pause()


ENDINGS: dict[str, Callable[[], object]] = {
    "": lambda: None,
    "allocate": lambda: bytearray(4 << 30),
    "spin": spin,
    "wait": signal.pause,
    "close and wait": close_and_wait,
    "crash": lambda: ctypes.string_at(0),
    "raise": lambda: 1 / 0,
    "exit": lambda: sys.exit(3),
    "reject": lambda: say('unfinished{"x"\n{"rejected": "no \\u001b[31m good"}'),
    "noise": lambda: os.write(1, b"noise" * 100_000),
}


def report(text: str) -> None:
    say(json.dumps({"progress": text}))


def main() -> None:
    start_a_thread()
    Path("result.txt").write_text("kept")
    for name in ASK["attempts"]:
        try:
            ATTEMPTS[name]()
        except (OSError, MemoryError) as exc:
            report(f"{name}: {type(exc).__name__}")
        else:
            report(f"{name}: done")
    report("environment: " + " ".join(sorted(os.environ)))
    ENDINGS[ASK["ending"]]()


if __name__ == "__main__":
    main()
