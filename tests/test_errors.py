"""The tree of errors is as drawn at the top of its file."""

from __future__ import annotations

import re

from lookalike import errors
from lookalike.errors import ImageError, ImageTooLarge, LookalikeError


def test_the_tree_is_as_drawn():
    drawn: dict[str, str] = {}  # error -> the one that it hangs below
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if branch := re.match(r"([│ ├└─]*)(\w+) {2,}\S", line):
            depth = len(branch[1]) // 4
            path[depth:] = [branch[2]]
            drawn[branch[2]] = path[depth - 1] if depth else "Exception"
    defined = {name: kind.__mro__[1].__name__ for name, kind in vars(errors).items() if isinstance(kind, type)}
    assert drawn == defined
    assert all(issubclass(getattr(errors, name), LookalikeError) for name in defined)


def test_image_errors_carry_their_http_status():
    assert (ImageError.http_status, ImageTooLarge.http_status) == (400, 413)
