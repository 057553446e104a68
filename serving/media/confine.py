"""What a process that decodes footage may not do: use the network, start programs, end others, or take all memory."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct
import threading
import time
from dataclasses import dataclass

ADDRESS_BYTES = 6 * 1024**3  # a picture of 64 megapixels takes 1.2 GB, threads reserve more
CPU_S = 60  # for one step of the work: a picture, or what lies between two reports of progress of a proxy
PARENT_EVERY_S = 1.0
_NEW_PRIVILEGES, _FILTER, _ALL_THREADS = 38, 1, 1  # Source: prctl(2), seccomp(2)
_ALLOW, _DENY = 0x7FFF0000, 0x00050000 | 13  # with EACCES
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06  # Source: linux/bpf_common.h


@dataclass(frozen=True)
class _Machine:
    """Numbers of system calls. Source: the kernel's syscall_64.tbl, and asm-generic/unistd.h for aarch64."""

    audit: int
    seccomp: int
    tgkill: int
    prlimit: int
    denied: tuple[int, ...]


# Denied: socket, also of AF_UNIX (of services that start programs), io_uring_setup (which opens sockets, too),
# pidfd_open, pidfd_getfd (of another process's sockets); execve, execveat; ptrace, process_vm_readv, process_vm_writev;
# kill, tkill, rt_sigqueueinfo, rt_tgsigqueueinfo, pidfd_send_signal.
_EVERYWHERE = (425, 434, 438, 424)
_MACHINES = {
    "x86_64": _Machine(0xC000003E, 317, 234, 302, (41, 59, 322, 101, 310, 311, 62, 200, 129, 297, *_EVERYWHERE)),
    "aarch64": _Machine(0xC00000B7, 277, 131, 261, (198, 221, 281, 117, 270, 271, 129, 130, 138, 240, *_EVERYWHERE)),
}
_X32 = 0x40000000  # calls of another ABI of x86_64 begin here


def confine() -> bool:
    """Confine this process for good, with all threads that it has and will have.

    Returns: whether network and programs are out of reach; elsewhere than on Linux they are not.
    """
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_BYTES, ADDRESS_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    grant_time()
    _end_with_the_parent()
    machine = _MACHINES.get(platform.machine()) if platform.system() == "Linux" else None
    return machine is not None and _filter_calls(machine)


def grant_time() -> None:
    """Allow another CPU_S of processor time, in all threads together, from now on."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    until = int(usage.ru_utime + usage.ru_stime) + CPU_S
    resource.setrlimit(resource.RLIMIT_CPU, (until, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _end_with_the_parent() -> None:
    """End with the parent: it may be killed while this process decodes and reads no message."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_EVERY_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="parent").start()


def _filter_calls(machine: _Machine) -> bool:
    """Have the kernel refuse system calls. Source: seccomp(2), Documentation/userspace-api/seccomp_filter.rst."""
    program = _program(machine)
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
    filter_ = ctypes.create_string_buffer(struct.pack("HL", len(program), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NEW_PRIVILEGES, 1, 0, 0, 0):
        return False
    return libc.syscall(ctypes.c_long(machine.seccomp), _FILTER, _ALL_THREADS, filter_) == 0


def _program(machine: _Machine) -> list[tuple[int, int, int, int]]:
    """Lines of (code, jump if true, jump if false, value); jumps count from the next line."""
    lines = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, machine.audit), (_RETURN, 0, 0, _DENY)]  # of this architecture only
    lines += [(_LOAD, 0, 0, 0), (_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _DENY)]
    for number in machine.denied:
        lines += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _DENY)]
    # With this process as the first argument only: a signal to a thread, as of abort(3), and limits.
    for number, process in ((machine.tgkill, os.getpid()), (machine.prlimit, 0)):
        lines += [(_EQUAL, 0, 4, number), (_LOAD, 0, 0, 16), (_EQUAL, 0, 1, process)]
        lines += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _DENY)]
    return [*lines, (_RETURN, 0, 0, _ALLOW)]
