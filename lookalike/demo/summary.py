"""The demo's report, from its results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lookalike import pixels
from lookalike.footage import frame_at
from lookalike.report.charts import training_charts
from lookalike.report.page import Report, Sheet, Table, Thumb, thumb_uri, write_report
from lookalike.report.retrieval import evaluation_tables


def write_summary(results: dict[str, Any], out: Path, commands: list[str], rendered: bool) -> None:
    """Write `out`/report.html."""
    training, parity, seconds = results["training"], results["parity"], results["seconds"]
    what = "four rendered cameras" if rendered else ", ".join(results["sources"])
    facts = [
        ("footage", what),
        ("frames trained on", f"{results['frames_trained']:,}"),
        ("frames indexed", f"{results['frames_indexed']:,}"),
        ("training", f"{training['steps']:,} steps, {training['images_per_s']:.0f} images/s"),
        ("effective rank", f"{training['effective_rank']:.1f}"),
        ("export parity", f"cosine ≥ {parity['min_cosine']:.6f}"),
        ("space", results["space"]),
        ("in all", f"{seconds['total']:.0f} s on {results['machine']['cpus']} CPUs"),
    ]
    stages = [[stage, f"{value:.1f} s"] for stage, value in seconds.items()]
    write_report(
        Report(
            title="Lookalike demo",
            verdict=results["retrieval"]["verdict"],
            facts=facts,
            sheets=[_sheet(search) for search in results["searches"]],
            sheets_note="Each row: a frame POSTed to the running service, and the moments that it answered, best first,"
            " with cosine similarity. The first is the query's own moment, found again in the index.",
            tables=[
                *evaluation_tables(results["retrieval"]),
                Table("Where the time went", ["stage", "seconds"], stages, strong=[len(stages) - 1]),
            ],
            charts=training_charts(out / "run" / "metrics.jsonl"),
            commands=commands,
        ),
        out / "report.html",
    )


def _sheet(search: dict[str, Any]) -> Sheet:
    query = pixels.decode(Path(search["query"]).read_bytes(), search["query"])
    hits = [
        Thumb(
            thumb_uri(frame_at(hit["source"], hit["time_s"])),
            hit["camera"],
            hit["time_s"],
            hit["score"],
            f"moment {hit['span_s'][0]:.1f}-{hit['span_s'][1]:.1f} s",
        )
        for hit in search["hits"]
    ]
    return Sheet(Thumb(thumb_uri(query), search["camera"], search["time_s"]), hits)
