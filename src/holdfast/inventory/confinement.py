"""What a process that reads hostile bytes gives up first: memory, time, files, children, the network and its rights."""

from __future__ import annotations

import codecs
import contextlib
import ctypes
import os
import resource
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast.inventory.limits import Limits

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
NOBODY = 65534


def confine(limits: Limits) -> None:
    """Give up what reading a pipe and writing to another does not need.

    Where the system does not let go of something, as of the network without the right to make a namespace, the process
    goes on: it still can open no file and no socket, as no descriptor is left for one.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    os.nice(10)  # requests go first
    codecs.lookup("cp437")  # of names in archives; later its file could not be opened any more
    if os.geteuid() == 0:
        libc.unshare(CLONE_NEWNET)
        with contextlib.suppress(OSError):
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
    else:
        libc.unshare(CLONE_NEWUSER | CLONE_NEWNET)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # last: changes of rights undo it
    for kind, most in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_CPU, limits.cpu_seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 3),
    ):
        hard = resource.getrlimit(kind)[1]
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (bound, bound))
