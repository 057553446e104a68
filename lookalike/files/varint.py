"""Numbers of variable length (LEB128), as protobuf and Thrift's compact protocol write them, from untrusted bytes."""

from __future__ import annotations


def read_varint(data: bytes | memoryview, at: int) -> tuple[int, int]:
    """Read an unsigned number of 64 bits. at: its first byte. Returns: the number, and where it ends.

    Raises: IndexError if it is cut off; ValueError for more than ten bytes.
    Source: Protocol Buffers, "Encoding"; Thrift compact protocol.
    """
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (2**64 - 1), at
    raise ValueError("a number of more than ten bytes")
