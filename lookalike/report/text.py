"""Format tables for a terminal: plain aligned text, the same in a pipe."""

from __future__ import annotations

import textwrap
from itertools import zip_longest

from lookalike.report.page import Table

GAP = "  "
NAME_MAX, HEADER_MAX = 36, 12  # characters


def table_lines(table: Table) -> list[str]:
    """Return the title, a wrapped header, and a line for each row; numbers are aligned right."""
    header = [textwrap.wrap(cell, HEADER_MAX) for cell in table.header]
    rows = [[_shorten(row[0]), *row[1:]] for row in table.rows]
    widths = [
        max([*map(len, header[column]), *(len(row[column]) for row in rows)]) for column in range(len(table.header))
    ]
    # Headers end on the line above their numbers.
    tops = [[""] * (max(map(len, header)) - len(cell)) + cell for cell in header]
    lines = [list(line) for line in zip_longest(*tops, fillvalue="")] + rows
    return [table.title, *(_line(cells, widths) for cells in lines)]


def _line(cells: list[str], widths: list[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    return GAP.join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]).rstrip()


def _shorten(name: str) -> str:
    """Shorten a long name to its end, which tells files apart."""
    return name if len(name) <= NAME_MAX else "..." + name[3 - NAME_MAX :]
