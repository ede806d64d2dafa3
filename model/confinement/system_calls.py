"""The few calls to Linux that Python has no name for. False, or -1, where the kernel refuses."""

import ctypes
import os
import platform

MACHINE = platform.machine()

_LIBC = ctypes.CDLL(None, use_errno=True)

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38

_CLONE_NEWIPC = 0x08000000
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000

_CAPABILITY_VERSION_3 = 0x20080522


def system_call(number: int, *arguments: object) -> int:
    """The result, or -1."""
    passed = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    return int(_LIBC.syscall(ctypes.c_long(number), *passed))


def prctl(option: int, value: int) -> bool:
    return int(_LIBC.prctl(option, value, 0, 0, 0)) == 0


def leave_network() -> bool:
    """Move into a network of its own, where not even the loopback address is up.

    Whoever may not do that directly may in a user namespace of their own, where the host allows
    these. Must be called before the first thread is started.
    """
    if os.geteuid() == 0 and _unshare(_CLONE_NEWNET | _CLONE_NEWIPC):
        return True
    return _unshare(_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWIPC)


def drop_capabilities() -> bool:
    """What root may do beyond its files, and what a new user namespace gave."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    return int(_LIBC.capset(ctypes.byref(header), ctypes.byref(nothing))) == 0


def _unshare(flags: int) -> bool:
    return int(_LIBC.unshare(flags)) == 0
