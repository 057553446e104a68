"""Compare an encoder with its baselines: which is better, and whether by more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

DRAWS = 2000  # of the bootstrap
LEVEL = 0.95
FEWEST = 3  # passes or tracks that a statement about chance needs
HOW = (
    "Recordings in which things move need no labels. Judge other footage with --events events.csv, and pictures in"
    " class folders with `lookalike evaluate --images`"
)

UNLABELLED = (
    "No verdict: without labels it is unknown which photos show the same thing. Sort some into class folders,"
    " FOLDER/CLASS/PHOTO, then run `lookalike evaluate RUN --images FOLDER`, or pass --labelled FOLDER to"
    " `lookalike pretrain`."
)


@dataclass(frozen=True, eq=False)
class Measured:
    """One contender's score for each query, float64 (Q,), averaged over seeds."""

    name: str
    values: np.ndarray

    @property
    def mean(self) -> float:
        return float(self.values.mean())


@dataclass(frozen=True)
class Comparison:
    """The encoder compared with one baseline. low, high: bounds of LEVEL of the resampled differences."""

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
        """Return whether the encoder is better, but not by more than chance."""
        return self.difference > 0 and not self.won


def compare(own: np.ndarray, baseline: Measured, unit: np.ndarray) -> Comparison:
    """Bootstrap the mean difference over the passes or tracks that the queries are from.

    Queries of one pass are nearly equal, so they are resampled together. own: float64 (Q,). unit: int64 (Q,).
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
    """Return the baseline that decides: the best of those not beaten, else the best of all."""
    unbeaten = [comparison for comparison in comparisons if not comparison.won]
    return max(unbeaten or comparisons, key=lambda comparison: comparison.value)


def outcome(comparisons: Sequence[Comparison], units: str, named: Sequence[str] = ()) -> str:
    """State the result. units: what was resampled. named: further baselines to name if they are not beaten."""
    hard = hardest(comparisons)
    span = f"{hard.difference:+.2f}, {LEVEL:.0%} of resampled {units} {hard.low:+.2f} to {hard.high:+.2f}"
    if hard.won:
        return f"beats every baseline, the best {hard.baseline} {hard.value:.2f} ({span})"
    others = [other for other in comparisons if other.baseline in named and other != hard and not other.won]
    nor = "".join(f" or {other.baseline} ({other.value:.2f})" for other in others)
    if not hard.level:
        return f"does not beat {hard.baseline} ({hard.value:.2f}){nor}"
    if not np.isfinite(hard.low):
        return f"better than {hard.baseline} ({hard.value:.2f}), but fewer than {FEWEST} {units} cannot rule out chance"
    return f"not better than {hard.baseline} ({hard.value:.2f}) by more than chance ({span})"


def sentence(title: str, counts: str, outcomes: Sequence[tuple[str, float, str]]) -> str:
    """Describe one measure. counts: of queries. outcomes: the condition, the encoder's mAP, the result."""
    said = "; ".join(f"mAP {value:.2f}{condition}, {result}" for condition, value, result in outcomes)
    return f"{title} ({counts}): {said}."


def conclusion(sentences: Sequence[str], won: int) -> str:
    """Join the sentences, a line for each measure, after a summary. won: measures won perturbed and unperturbed."""
    if not sentences:
        return f"No verdict: no measure has queries on this footage. {HOW}."
    first = f"Beats every baseline in {won} of {len(sentences)} measure(s)."
    return "\n".join([first, *sentences])


def chance(own: float, other: float, count: int) -> float:
    """Return how much two accuracies on `count` pictures may differ by chance, at LEVEL: 1.96 standard deviations of
    the difference. They are taken as independent, which is conservative for the same pictures.
    """
    return 1.96 * float(np.sqrt((own * (1 - own) + other * (1 - other)) / count))
