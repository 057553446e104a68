"""What was found, as contact sheets."""

from __future__ import annotations

from collections.abc import Sequence

from lookalike.explore.cluster import Cluster
from lookalike.explore.duplicates import Duplicate
from lookalike.explore.outliers import Outlier
from lookalike.report.sheet import Sheet, Shot, Strip


def outlier_sheet(found: Sequence[Outlier]) -> Sheet:
    note = "The moments that least resemble what their camera usually shows, most unusual first, with their distance."
    shots = [
        Shot(one.source, one.camera, one.time_s, one.distance, f"{span(one.span_s)}, above {one.percentile:.1f} %")
        for one in found
    ]
    return Sheet("Outliers", note, [Strip("", "", shots)])


def duplicate_sheet(found: Sequence[Duplicate]) -> Sheet:
    note = "Spans of two recordings that show the same, the longest first: the one above, the other below."
    strips = [
        Strip(
            f"{one.source}, {span(one.span_s)}",
            f"{one.other_source}, {span(one.other_span_s)}; offset {one.offset_s:+.2f} s, cosine {one.similarity:.3f}",
            [
                *_through(one.source, one.camera, one.span_s),
                *_through(one.other_source, one.other_camera, one.other_span_s),
            ],
            columns=4,
        )
        for one in found
    ]
    return Sheet("Duplicates", note, strips)


def cluster_sheet(found: Sequence[Cluster]) -> Sheet:
    note = "Groups of frames that resemble each other, the largest first, with moments nearest to the middle of each."
    return Sheet("Clusters", note, [_cluster_strip(one) for one in found])


def cameras(cluster: Cluster) -> str:
    """How many frames of which camera, in words."""
    return ", ".join(f"{camera}: {frames:,}" for camera, frames in cluster.cameras.items())


def span(span_s: tuple[float, float]) -> str:
    return f"{span_s[0]:.1f}-{span_s[1]:.1f} s"


def _cluster_strip(one: Cluster) -> Strip:
    dates = f"; {_date(one.first)} to {_date(one.last)} UTC" if one.first and one.last else ""
    shots = [Shot(hit.source, hit.camera, hit.time_s, hit.score) for hit in one.representatives]
    return Strip(f"{one.frames:,} frames", cameras(one) + dates, shots)


def _date(moment: str) -> str:
    """To the second."""
    return moment[:19].replace("T", " ")


def _through(source: str, camera: str, span_s: tuple[float, float]) -> list[Shot]:
    """Four moments of a span, its ends aside."""
    start_s, length_s = span_s[0], span_s[1] - span_s[0]
    return [Shot(source, camera, start_s + length_s * part / 8) for part in (1, 3, 5, 7)]
