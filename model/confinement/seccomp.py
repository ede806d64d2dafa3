"""System calls that a model never needs, answered with "not permitted" from now on.

A filter for seccomp, put together by hand: network, other processes and other people's files. Calls
that only privileged processes may make are left to the kernel. Source: Linux, Documentation/
userspace-api/seccomp_filter.rst; the numbers are those of asm/unistd_64.h and asm-generic/unistd.h.
"""

import ctypes
import errno
import os

from model.confinement.system_calls import MACHINE, system_call

# Name: number on x86_64, number on aarch64.
_DENIED = {
    "socket": (41, 198),
    "connect": (42, 203),
    "accept": (43, 202),
    "accept4": (288, 242),
    "bind": (49, 200),
    "listen": (50, 201),
    "sendto": (44, 206),
    "sendmsg": (46, 211),
    "sendmmsg": (307, 269),
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "unshare": (272, 97),
    "setns": (308, 268),
    # These do the work of other calls, unseen by a filter.
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "personality": (135, 92),
    # Landlock watches files being opened, not being chowned.
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
}
_CLONE, _CLONE3, _KILL, _TGKILL, _PRLIMIT = "clone", "clone3", "kill", "tgkill", "prlimit64"
_WATCHED = {
    _CLONE: (56, 220),
    _CLONE3: (435, 435),
    _KILL: (62, 129),
    _TGKILL: (234, 131),
    _PRLIMIT: (302, 261),
}
# Position in the tables, and the kernel's name for the machine.
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}

_CLONE_THREAD = 0x00010000
_X32 = 0x40000000

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_PERMIT, _ERRNO = 0x7FFF0000, 0x00050000
_NOT_PERMITTED, _UNKNOWN = _ERRNO | errno.EPERM, _ERRNO | errno.ENOSYS

_SECCOMP_SYSTEM_CALL, _SET_FILTER, _ALL_THREADS = (317, 277), 1, 1


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("if_true", ctypes.c_uint8),
        ("if_false", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("instructions", ctypes.POINTER(_Instruction)))


def deny_system_calls() -> bool:
    """False where the kernel or the machine has no filter. Needs "no new privileges"."""
    if MACHINE not in _MACHINES:
        return False
    column, architecture = _MACHINES[MACHINE]
    instructions = _instructions(column, architecture)
    array = (_Instruction * len(instructions))(*instructions)
    program = _Program(len(instructions), array)
    number = _SECCOMP_SYSTEM_CALL[column]
    return system_call(number, _SET_FILTER, _ALL_THREADS, ctypes.byref(program)) == 0


def _instructions(column: int, architecture: int) -> list[_Instruction]:
    watched = {name: numbers[column] for name, numbers in _WATCHED.items()}
    program = [
        _Instruction(_LOAD, 0, 0, _ARCHITECTURE),
        *_unless(_EQUAL, architecture, _NOT_PERMITTED),
        _Instruction(_LOAD, 0, 0, _NUMBER),
        # The numbers of x32 are another way to the same calls.
        *_when(_AT_LEAST, _X32, _NOT_PERMITTED),
    ]
    for numbers in _DENIED.values():
        number = numbers[column]
        if number is not None:
            program += _when(_EQUAL, number, _NOT_PERMITTED)
    # Its flags are out of a filter's sight; libraries then fall back to `clone`.
    program += _when(_EQUAL, watched[_CLONE3], _UNKNOWN)
    # Threads are made by `clone` as processes are.
    program += _argument(watched[_CLONE], _unless(_ANY_BIT, _CLONE_THREAD, _NOT_PERMITTED))
    # Signals to itself are how a process aborts; limits may be read, and changed for itself.
    for name, own in ((_KILL, os.getpid()), (_TGKILL, os.getpid()), (_PRLIMIT, 0)):
        program += _argument(watched[name], _unless(_EQUAL, own, _NOT_PERMITTED))
    return [*program, _Instruction(_RETURN, 0, 0, _PERMIT)]


def _when(test: int, value: int, answer: int) -> list[_Instruction]:
    return [_Instruction(test, 0, 1, value), _Instruction(_RETURN, 0, 0, answer)]


def _unless(test: int, value: int, answer: int) -> list[_Instruction]:
    return [_Instruction(test, 1, 0, value), _Instruction(_RETURN, 0, 0, answer)]


def _argument(number: int, check: list[_Instruction]) -> list[_Instruction]:
    """For this call only: look at its first argument, and permit what passes the check."""
    body = [
        _Instruction(_LOAD, 0, 0, _FIRST_ARGUMENT),
        *check,
        _Instruction(_RETURN, 0, 0, _PERMIT),
    ]
    return [_Instruction(_EQUAL, 0, len(body), number), *body]
