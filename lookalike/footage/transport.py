"""MPEG-TS: find where packets of the pictures were lost, by their continuity counters.

libavformat reports only some losses. Where recordings were joined, the counters jump too. There, those of the tables
jump as well, and a key frame follows, so that a joint can be distinguished from a loss.
Source: ISO/IEC 13818-1, 2.4.3.2 to 2.4.3.5 (packets, their counters, discontinuities); ETSI EN 300 468, 5.1.3 (PIDs).
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from lookalike.footage.structure import is_padding

SYNC, STRIDES = 0x47, (188, 192, 204)  # bytes of a packet: alone, with a time before it, with a checksum behind it
TIME = 4  # bytes of that time
FIRST_ELEMENTARY = 0x20  # PIDs below are those of tables
IN_A_ROW = 5  # sync bytes at packet distance that rule out chance
SLICE = 1 << 18  # packets
Gap = tuple[int, int]  # where the packets before and after it begin


def lost(path: Path, pid: int, keys: Iterable[int]) -> list[int]:
    """Return the positions of bytes that are not packets, and of packets of a track after which others are missing.

    Counters wrap at 16, so a loss of 16 packets, or a multiple, is not seen. Padding between packets is allowed.

    keys: where the track's key frames begin, bytes.
    """
    gaps: dict[int, list[Gap]] = {}
    last: dict[int, tuple[int, int]] = {}
    foreign, end = [], 0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for begin, stride, count in _runs(data):
            rows = np.frombuffer(data[begin : begin + count * stride], np.uint8).reshape(count, stride)
            _count(rows, begin, pid, last, gaps)
            if end and begin > end and not (begin - end >= STRIDES[0] and is_padding(data, end, begin)):
                foreign.append(end)
            end = begin + count * stride
    tables = [after for table, table_gaps in gaps.items() if table != pid for _, after in table_gaps]
    key_starts = {key + before for key in keys for before in (0, TIME)}
    own = gaps.get(pid, [])
    joints = {gap for gap in own if gap[1] in key_starts and any(gap[0] < at <= gap[1] for at in tables)}
    return sorted({*foreign, *(gap[0] for gap in own if gap not in joints)})


def _runs(data: mmap.mmap) -> Iterator[tuple[int, int, int]]:
    """Yield each run of adjacent packets: where it begins, bytes from packet to packet, and the number of packets."""
    at, size = 0, len(data)
    while (at := data.find(SYNC.to_bytes(), at)) >= 0:
        stride = next((stride for stride in STRIDES if _follow(data, at, stride)), None)
        if stride is None:
            at += 1
            continue
        most = min(SLICE, (size - at) // stride)
        syncs = np.frombuffer(data[at : at + most * stride], np.uint8)[::stride] == SYNC
        count = most if syncs.all() else int(syncs.argmin())
        if not count:
            return
        yield at, stride, count
        at += count * stride


def _follow(data: mmap.mmap, at: int, stride: int) -> bool:
    return all(data[sync] == SYNC for sync in range(at, min(at + IN_A_ROW * stride, len(data)), stride))


def _count(
    rows: np.ndarray, begin: int, pid: int, last: dict[int, tuple[int, int]], gaps: dict[int, list[Gap]]
) -> None:
    """Compare the counter of each packet with that of the previous packet of its track. rows: uint8 (packets, bytes).

    last: position and counter of the last packet of each track, updated. gaps: those of the track and of the tables,
    appended to.
    """
    pids = (rows[:, 1].astype(np.uint16) & 0x1F) << 8 | rows[:, 2]
    has_content = rows[:, 3] & 0x10 != 0
    announced = (rows[:, 3] & 0x20 != 0) & (rows[:, 4] > 0) & (rows[:, 5] & 0x80 != 0)
    for track in {pid, *np.unique(pids[pids < FIRST_ELEMENTARY]).tolist()}:
        which = np.flatnonzero((pids == track) & has_content)
        if not which.size:
            continue
        positions, counters = begin + which * rows.shape[1], (rows[which, 3] & 0x0F).astype(np.int64)
        at, counter = last.get(track, (int(positions[0]), int(counters[0])))
        steps = np.diff(counters, prepend=counter) % 16
        for index in np.flatnonzero((steps > 1) & ~announced[which]).tolist():
            before = int(positions[index - 1]) if index else at
            gaps.setdefault(track, []).append((before, int(positions[index])))
        last[track] = int(positions[-1]), int(counters[-1])
