"""MPEG-TS: where packets of the pictures were lost, by the counters that they carry.

libavformat tells of some of these. Where recordings were joined, the counters of pictures jump too; so do those of the
tables that say which tracks there are, and a key frame follows.
Source: ISO/IEC 13818-1, 2.4.3.2 to 2.4.3.5 (packets, their counters, discontinuities); ETSI EN 300 468, 5.1.3 (PIDs).
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

SYNC, STRIDES = 0x47, (188, 192, 204)  # bytes of a packet: alone, with a time before it, with a checksum behind it
TIME = 4  # bytes of that time
FIRST_OF_OTHERS = 0x20  # PIDs below are of tables
IN_A_ROW = 5  # packets that follow each other, so that it is no chance
SLICE = 1 << 18  # packets
Gap = tuple[int, int]  # where the packets before and behind it begin


def lost(path: Path, pid: int, keys: Iterable[int]) -> list[int]:
    """Positions where something else than packets is, or behind which packets of a track are missing.

    Counters begin anew after 16: just as many, or twice as many, are not missed.

    keys: where its key frames begin, bytes. Zeros between packets are room that was not used.
    """
    gaps: dict[int, list[Gap]] = {}
    last: dict[int, tuple[int, int]] = {}
    others, end = [], 0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for begin, stride, count in _runs(data):
            rows = np.frombuffer(data[begin : begin + count * stride], np.uint8).reshape(count, stride)
            _count(rows, begin, pid, last, gaps)
            if end and begin > end and not _is_room(data[end:begin]):
                others.append(end)
            end = begin + count * stride
    tables = [behind for one, of_one in gaps.items() if one != pid for _, behind in of_one]
    begun = {key + before for key in keys for before in (0, TIME)}
    joints = {gap for gap in gaps.get(pid, []) if gap[1] in begun and any(gap[0] < at <= gap[1] for at in tables)}
    return sorted({*others, *(before for before, behind in gaps.get(pid, []) if (before, behind) not in joints)})


def _is_room(data: bytes) -> bool:
    return len(data) >= STRIDES[0] and not (data.strip(b"\0") and data.strip(b"\xff"))


def _runs(data: mmap.mmap) -> Iterator[tuple[int, int, int]]:
    """Yield where packets that follow each other begin, how far apart they are, and how many they are."""
    at, size = 0, len(data)
    while (at := data.find(SYNC.to_bytes(), at)) >= 0:
        stride = next((one for one in STRIDES if _follow(data, at, one)), None)
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
    return all(data[one] == SYNC for one in range(at, min(at + IN_A_ROW * stride, len(data)), stride))


def _count(
    rows: np.ndarray, begin: int, pid: int, last: dict[int, tuple[int, int]], gaps: dict[int, list[Gap]]
) -> None:
    """Compare each packet's counter with the one before of the same track. rows: uint8 (packets, bytes).

    last: position and counter of the last packet of each, taken on. gaps: told those of the track, and of the tables.
    """
    pids = (rows[:, 1].astype(np.uint16) & 0x1F) << 8 | rows[:, 2]
    has_content = rows[:, 3] & 0x10 != 0
    announced = (rows[:, 3] & 0x20 != 0) & (rows[:, 4] > 0) & (rows[:, 5] & 0x80 != 0)
    for one in {pid, *np.unique(pids[pids < FIRST_OF_OTHERS]).tolist()}:
        which = np.flatnonzero((pids == one) & has_content)
        if not which.size:
            continue
        positions, counters = begin + which * rows.shape[1], (rows[which, 3] & 0x0F).astype(np.int64)
        at, counter = last.get(one, (int(positions[0]), int(counters[0])))
        steps = np.diff(counters, prepend=counter) % 16
        for index in np.flatnonzero((steps > 1) & ~announced[which]).tolist():
            before = int(positions[index - 1]) if index else at
            gaps.setdefault(one, []).append((before, int(positions[index])))
        last[one] = int(positions[-1]), int(counters[-1])
