"""Compound files (MS-CFB) as Outlook's messages are, written for the tests: small streams in the mini stream, others in sectors."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Tree = Mapping[str, Any]
"""Streams by name, as bytes; storages, as trees."""
_NONE, _END, _FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
_SMALL = 4096


@dataclass
class _Entry:
    name: str
    kind: int
    right: int = _NONE
    child: int = _NONE
    start: int = _END
    size: int = 0
    data: bytes = b""

    def packed(self) -> bytes:
        name = self.name.encode("utf-16-le")
        head = struct.pack("<64sHBB", name, len(name) + 2, self.kind, 1)
        return head + struct.pack("<III36xIQ", _NONE, self.right, self.child, self.start, self.size)


def compound(tree: Tree) -> bytes:
    """The file of a tree."""
    entries = [_Entry("Root Entry", 5)]
    _add(entries, 0, tree)
    chains: list[bytes] = []
    fat: list[int] = []

    def placed(data: bytes) -> int:
        """The first sector of some bytes."""
        if not data:
            return _END
        first, count = len(fat), -(-len(data) // 512)
        fat.extend([*range(first + 1, first + count), _END])
        chains.append(data.ljust(count * 512, b"\0"))
        return first

    mini, minifat = b"", list[int]()
    for entry in entries:
        if entry.kind != 2:
            continue
        if entry.size >= _SMALL:
            entry.start = placed(entry.data)
        elif entry.size:
            entry.start, count = len(minifat), -(-entry.size // 64)
            minifat += [*range(entry.start + 1, entry.start + count), _END]
            mini += entry.data.ljust(count * 64, b"\0")
    entries[0].start, entries[0].size = placed(mini), len(mini)
    minis = struct.pack(f"<{len(minifat)}I", *minifat)
    directory = placed(b"".join(entry.packed() for entry in entries).ljust(-(-len(entries) // 4) * 512, b"\0"))
    first_mini = placed(minis + b"\xff" * (-len(minis) % 512))
    sectors = next(n for n in range(1, 110) if len(fat) + n <= n * 128)
    places = [*range(len(fat), len(fat) + sectors)]
    fat += [_FAT] * sectors
    table = struct.pack(f"<{len(fat)}I", *fat).ljust(sectors * 512, b"\xff")
    difat = struct.pack("<109I", *places, *[_NONE] * (109 - len(places)))
    return _head(sectors, directory, first_mini, -(-len(minis) // 512)) + difat + b"".join(chains) + table


def _head(sectors: int, directory: int, first_mini: int, minis: int) -> bytes:
    sign = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    form = struct.pack("<8s16xHHHHH6x", sign, 0x3E, 3, 0xFFFE, 9, 6)
    return form + struct.pack("<IIIIIIIII", 0, sectors, directory, 0, _SMALL, first_mini, minis, _END, 0)


def _add(entries: list[_Entry], parent: int, tree: Tree) -> None:
    before = None
    for name, held in tree.items():
        number = len(entries)
        stream = isinstance(held, bytes)
        entries.append(_Entry(name, 2 if stream else 1, size=len(held) if stream else 0, data=held if stream else b""))
        if before is None:
            entries[parent].child = number
        else:
            entries[before].right = number
        before = number
        if not stream:
            _add(entries, number, held)


def properties(head: int, values: Mapping[tuple[int, int], Any]) -> dict[str, bytes]:
    """The streams of some properties.

    Args:
        head: bytes before the table: 32 in a message, 8 elsewhere.
        values: by number and type; what has a fixed length as an int.
    """
    table, streams = bytes(head), dict[str, bytes]()
    for (number, kind), value in values.items():
        fixed = value if isinstance(value, int) else 0
        table += struct.pack("<HHIQ", kind, number, 6, fixed)
        if not isinstance(value, int):
            data = value.encode("utf-16-le") if isinstance(value, str) else value
            streams[f"__substg1.0_{number:04X}{kind:04X}"] = data
    return {"__properties_version1.0": table, **streams}
