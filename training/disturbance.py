"""What cameras do to a picture between one look and the next, as settings."""

from __future__ import annotations

from dataclasses import dataclass

Range = tuple[float, float]


@dataclass(frozen=True)
class Disturbance:
    """Ranges of what happens to a query, drawn uniformly per frame.

    The fields' docstrings are the help texts of the flags.
    """

    zoom: Range = (0.75, 0.9)
    """Share of each side that a query keeps, from and to; where, is drawn as well."""
    gamma: Range = (0.6, 1.7)
    """Exponent of a query's values, from and to; drawn log-uniformly."""
    gain: Range = (0.7, 1.3)
    """Factor of each colour channel of a query, from and to."""
    noise: float = 0.03
    """Standard deviation of a query's noise, where white is 1."""

    def check(self) -> None:
        """Raises: ValueError that names the flag whose value is out of range."""
        for name in ("zoom", "gamma", "gain"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"--{name} is {low:g} {high:g}, expected two numbers above 0, the smaller one first")
        if self.zoom[1] > 1:
            raise ValueError(f"--zoom is {self.zoom[0]:g} {self.zoom[1]:g}, expected at most 1, the whole side")
        if self.noise < 0:
            raise ValueError(f"--noise is {self.noise:g}, expected 0 or more")
