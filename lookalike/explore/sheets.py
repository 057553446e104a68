"""Make contact sheets of outliers, duplicates and clusters."""

from __future__ import annotations

from collections.abc import Sequence

from lookalike.explore.cluster import Cluster
from lookalike.explore.duplicates import Duplicate
from lookalike.explore.outliers import Outlier
from lookalike.report.sheet import Sheet, Shot, Strip


def outlier_sheet(outliers: Sequence[Outlier]) -> Sheet:
    note = "The moments that least resemble what their camera usually shows, most unusual first, with their distance."
    shots = [
        Shot(
            outlier.source,
            outlier.camera,
            outlier.time_s,
            outlier.distance,
            f"{span(outlier.span_s)}, above {outlier.percentile:.1f} %",
        )
        for outlier in outliers
    ]
    return Sheet("Outliers", note, [Strip("", "", shots)])


def duplicate_sheet(pairs: Sequence[Duplicate]) -> Sheet:
    note = "Spans of two recordings with the same content, the longest first: the first above, the second below."
    strips = [
        Strip(
            f"{pair.source}, {span(pair.span_s)}",
            f"{pair.other_source}, {span(pair.other_span_s)};"
            f" offset {pair.offset_s:+.2f} s, cosine {pair.similarity:.3f}",
            [
                *_through(pair.source, pair.camera, pair.span_s),
                *_through(pair.other_source, pair.other_camera, pair.other_span_s),
            ],
            columns=4,
        )
        for pair in pairs
    ]
    return Sheet("Duplicates", note, strips)


def cluster_sheet(clusters: Sequence[Cluster]) -> Sheet:
    note = "Groups of frames that resemble each other, the largest first, with moments nearest to the middle of each."
    return Sheet("Clusters", note, [_cluster_strip(cluster) for cluster in clusters])


def cameras(cluster: Cluster) -> str:
    """Write the number of frames of each camera."""
    return ", ".join(f"{camera}: {frames:,}" for camera, frames in cluster.cameras.items())


def span(span_s: tuple[float, float]) -> str:
    return f"{span_s[0]:.1f}-{span_s[1]:.1f} s"


def _cluster_strip(cluster: Cluster) -> Strip:
    dates = f"; {_date(cluster.first)} to {_date(cluster.last)} UTC" if cluster.first and cluster.last else ""
    shots = [Shot(hit.source, hit.camera, hit.time_s, hit.score) for hit in cluster.representatives]
    return Strip(f"{cluster.frames:,} frames", cameras(cluster) + dates, shots)


def _date(moment: str) -> str:
    """Write a date to the second."""
    return moment[:19].replace("T", " ")


def _through(source: str, camera: str, span_s: tuple[float, float]) -> list[Shot]:
    """Return four evenly spaced moments of a span, without its ends."""
    start_s, length_s = span_s[0], span_s[1] - span_s[0]
    return [Shot(source, camera, start_s + length_s * part / 8) for part in (1, 3, 5, 7)]
