"""What may be said of a measure: who is ahead, and whether by more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

DRAWS = 2000  # of the bootstrap
LEVEL = 0.95
FEWEST = 3  # passes or tracks, below which nothing can be said of chance
HOW = (
    "Recordings in which things move need no labels; other footage can be judged with --events events.csv, and pictures"
    " in class folders by `lookalike evaluate --images`"
)

UNLABELLED = (
    "Nothing was judged: photos without labels do not say which of them show the same. To judge, sort some into class"
    " folders, FOLDER/CLASS/PHOTO, and give them to `lookalike evaluate RUN --images FOLDER`, or to --labelled FOLDER"
    " of `lookalike pretrain`."
)


@dataclass(frozen=True, eq=False)
class Measured:
    """One contender's value for each query, float64 (Q,), means over the seeds."""

    name: str
    values: np.ndarray

    @property
    def mean(self) -> float:
        return float(self.values.mean())


@dataclass(frozen=True)
class Comparison:
    """The encoder against one baseline. low, high: what LEVEL of the resamples of their difference lie between."""

    baseline: str
    value: float
    difference: float
    low: float
    high: float

    @property
    def won(self) -> bool:
        return self.low > 0

    @property
    def level(self) -> bool:
        """Ahead, but not by more than chance."""
        return self.difference > 0 and not self.won


def compare(own: np.ndarray, baseline: Measured, unit: np.ndarray) -> Comparison:
    """Resample the passes or tracks that the queries are from, with replacement, and look at the mean difference.

    Queries of one pass are nearly equal, so they are drawn together. own: float64 (Q,). unit: int64 (Q,).
    Source: the cluster bootstrap, Field and Welsh, JRSS B 2007; systems on the same queries, Sakai, SIGIR 2006.
    """
    difference = own - baseline.values
    _, number = np.unique(unit, return_inverse=True)
    sums, counts = np.bincount(number, difference), np.bincount(number)
    if len(sums) < FEWEST:
        low, high = -np.inf, np.inf
    else:
        drawn = np.random.default_rng(0).integers(0, len(sums), (DRAWS, len(sums)))
        means = sums[drawn].sum(1) / counts[drawn].sum(1)
        low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Comparison(baseline.name, baseline.mean, float(difference.mean()), float(low), float(high))


def hardest(comparisons: Sequence[Comparison]) -> Comparison:
    """The baseline that decides: the best of those that are not beaten, else the best of all."""
    unbeaten = [one for one in comparisons if not one.won]
    return max(unbeaten or comparisons, key=lambda one: one.value)


def outcome(comparisons: Sequence[Comparison], units: str, named: Sequence[str] = ()) -> str:
    """What may be claimed, in words. units: what was resampled. named: baselines that are named if they win, too."""
    one = hardest(comparisons)
    span = f"{one.difference:+.2f}, {LEVEL:.0%} of resampled {units} {one.low:+.2f} to {one.high:+.2f}"
    if one.won:
        return f"beats every baseline, the best {one.baseline} {one.value:.2f} ({span})"
    others = [other for other in comparisons if other.baseline in named and other != one and not other.won]
    nor = "".join(f" nor {other.baseline} ({other.value:.2f})" for other in others)
    if not one.level:
        return f"does not beat {one.baseline} ({one.value:.2f}){nor}"
    if not np.isfinite(one.low):
        return f"ahead of {one.baseline} ({one.value:.2f}), but fewer than {FEWEST} {units} cannot rule out chance"
    return f"not ahead of {one.baseline} ({one.value:.2f}) by more than chance ({span})"


def sentence(title: str, asked: str, outcomes: Sequence[tuple[str, float, str]]) -> str:
    """One measure. asked: how many queries. outcomes: under which light, the encoder's mAP, and what may be claimed."""
    said = "; ".join(f"mAP {value:.2f}{light}, {words}" for light, value, words in outcomes)
    return f"{title} ({asked}): {said}."


def conclusion(sentences: Sequence[str], won: int) -> str:
    """All of it, a line for each measure, after how many of them were won. won: in every light."""
    if not sentences:
        return f"Nothing was judged: no measure can tell anything of this footage. {HOW}."
    first = f"Beats every baseline in {won} of {len(sentences)} measure(s)."
    return "\n".join([first, *sentences])


def chance(own: float, other: float, count: int) -> float:
    """How much two accuracies on `count` pictures may differ by chance, at LEVEL: 1.96 deviations of the difference,
    taken as independent, which is on the careful side for the same pictures.
    """
    return 1.96 * float(np.sqrt((own * (1 - own) + other * (1 - other)) / count))
