"""Run a command so that the kernel reports each of its syncs to another process, and waits for it.

The reports come from a seccomp filter with a listener, which the command and all its children inherit: whoever syncs,
Python, SQLite or the Rust of the engine, through the C library or not, is reported. Neither a compiler nor root is
needed. Source: seccomp(2), seccomp_unotify(2), Documentation/userspace-api/seccomp_filter.rst.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import platform
import select
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Numbers of system calls. Source: the kernel's syscall_64.tbl, and asm-generic/unistd.h for aarch64.
CALLS = {
    "x86_64": {"fsync": 74, "fdatasync": 75, "msync": 26, "sync": 162, "syncfs": 306},
    "aarch64": {"fsync": 82, "fdatasync": 83, "msync": 227, "sync": 81, "syncfs": 267},
}
SECCOMP = {"x86_64": 317, "aarch64": 277}
_NEW_PRIVILEGES, _FILTER, _NEW_LISTENER = 38, 1, 8
_ALLOW, _REPORT = 0x7FFF0000, 0x7FC00000
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06  # Source: linux/bpf_common.h
_CALL, _ANSWER = struct.Struct("=QIIiIQ6Q"), struct.Struct("=QqiI")  # seccomp_notif, seccomp_notif_resp
_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_CONTINUE = 1


@dataclass(frozen=True)
class Sync:
    """A sync that is about to happen. thread: its id. name: of the system call. arguments: as they were passed."""

    thread: int
    name: str
    arguments: tuple[int, ...]


class ReportedProcess:
    """A process of which each sync is reported, also those of its children."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """command: arguments of Python. Raises: OSError if the kernel does not report."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            arguments = [sys.executable, "-m", "tests.faults.syncs", str(theirs.fileno()), *command]
            self.process = subprocess.Popen(
                arguments, pass_fds=[theirs.fileno()], env=environment, cwd=ROOT, stdout=subprocess.DEVNULL
            )
            theirs.close()
            _, files, _, _ = socket.recv_fds(ours, 1, 1)
        if not files:
            self.process.wait()
            raise OSError("this kernel does not report system calls (seccomp_unotify)")
        (self._listener,) = files

    def syncs(self) -> Iterator[Sync]:
        """Yield each sync before it happens, until the process and all its children have ended."""
        names = {number: name for name, number in CALLS[platform.machine()].items()}
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        try:
            while any(flags & select.POLLIN for _, flags in poll.poll()):
                call = bytearray(_CALL.size)
                try:
                    fcntl.ioctl(self._listener, _RECEIVE, call)
                except (FileNotFoundError, InterruptedError):
                    continue  # the caller was killed meanwhile
                id_, thread, _, number, _, _, *arguments = _CALL.unpack(call)
                yield Sync(thread, names[number], tuple(arguments))
                try:
                    fcntl.ioctl(self._listener, _SEND, bytearray(_ANSWER.pack(id_, 0, 0, _CONTINUE)))
                except FileNotFoundError:
                    continue
        finally:
            os.close(self._listener)


def _program(numbers: Sequence[int]) -> list[tuple[int, int, int, int]]:
    """Lines of (code, jump if true, jump if false, value); jumps count from the next line."""
    lines = [(_LOAD, 0, 0, 0)]
    for number in numbers:
        lines += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _REPORT)]
    return [*lines, (_RETURN, 0, 0, _ALLOW)]


def _report_to(socket_number: int) -> None:
    """Have the syncs of this process and its children reported, and send the listener."""
    machine = platform.machine()
    program = _program(list(CALLS[machine].values()))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
    filter_ = ctypes.create_string_buffer(struct.pack("HL", len(program), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    with socket.socket(fileno=socket_number) as parent:
        if libc.prctl(_NEW_PRIVILEGES, 1, 0, 0, 0):
            sys.exit("prctl failed")
        listener = libc.syscall(ctypes.c_long(SECCOMP[machine]), _FILTER, _NEW_LISTENER, filter_)
        if listener < 0:
            sys.exit(f"seccomp failed: {os.strerror(ctypes.get_errno())}")
        socket.send_fds(parent, [b"."], [listener])
        os.close(listener)


if __name__ == "__main__":
    _report_to(int(sys.argv[1]))
    os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
