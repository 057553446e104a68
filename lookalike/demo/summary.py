"""The demo's report, made from its results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lookalike import pixels
from lookalike.footage import find_sources, frame_at
from lookalike.region import Region
from lookalike.report.charts import training_charts
from lookalike.report.page import Comparison, HitRow, Report, Sheet, Table, Thumb, thumb_uri, write_report
from lookalike.report.retrieval import evaluation_tables, summary_table

COMPARED = ("HSV histogram", "pretrained, same head", "this encoder")  # rows of an evaluation

OF_PASSES = (
    "Left: a crop of something that passes, drawn evenly from all that pass a camera more than once, not"
    " chosen by result. Right: the first hits among the crops of all cameras, at most one of each pass; the query's own"
    " pass is left out. A hit is right if it has the query's label."
)
OF_TRACKS = (
    "Left: a crop of a track, drawn evenly from all tracks, not chosen by result. Right: the first hits among"
    " the crops of all cameras, at most one in 5 s; the query's own track is left out. There are no labels, so which"
    " hits are right is for you to say."
)

Results = dict[str, Any]
Sources = dict[tuple[str, str], str]  # camera and file name -> path


def write_summary(results: Results, out: Path, commands: list[str], rendered: bool) -> None:
    """Write `out`/report.html."""
    evaluation, seconds = results["retrieval"], results["seconds"]
    examples = evaluation["examples"]
    stages = [[stage, f"{value:.1f} s"] for stage, value in seconds.items()]
    write_report(
        Report(
            title="Lookalike demo",
            verdict=evaluation["verdict"],
            facts=_facts(results, rendered),
            baselines=side_by_side(results),
            comparisons=compare(examples, named_sources(results["sources"])),
            comparisons_note=OF_PASSES if any(example["to_find"] for example in examples) else OF_TRACKS,
            sheets=[_sheet(search) for search in results["searches"]],
            sheets_note="Each row: a frame that was POSTed to the running service, and the moments that it returned,"
            " best first, with their cosine similarity. The first is the query's own moment, found in the index.",
            tables=[
                *evaluation_tables(evaluation),
                Table("Where the time went", ["stage", "seconds"], stages, strong=[len(stages) - 1]),
            ],
            charts=training_charts(out / "run" / "metrics.jsonl"),
            commands=commands,
        ),
        out / "report.html",
    )


def side_by_side(results: Results) -> list[Table]:
    """A table of what to compare first: a histogram, the encoder before training, and the one that is exported.

    Returns: none if nothing was measured.
    """
    table = summary_table(results["retrieval"], COMPARED, _compared_note(results["training"]))
    return [table] if table.rows else []


def _facts(results: Results, rendered: bool) -> list[tuple[str, str]]:
    training = results["training"]
    return [
        ("footage", "four rendered cameras" if rendered else ", ".join(results["sources"])),
        ("frames trained on", f"{results['frames_trained']:,}, and {training['regions']:,} regions"),
        ("frames indexed", f"{results['frames_indexed']:,}"),
        ("training", f"{training['steps']:,} steps, {training['images_per_s']:.0f} images/s"),
        ("encoder kept", "the one before training" if _kept_initial(training) else "the trained one"),
        ("export parity", f"cosine ≥ {results['parity']['min_cosine']:.6f}"),
        ("space", results["space"]),
        ("total time", f"{results['seconds']['total']:.0f} s on {results['machine']['cpus']} CPUs"),
    ]


def _kept_initial(training: Results) -> bool:
    return training.get("choice", {}).get("kept") == "initial"


def _compared_note(training: Results) -> str:
    own = "has the same weights, since training did not help" if _kept_initial(training) else "was trained on it"
    return (
        "HSV histogram: colours alone. Pretrained, same head: the pretrained weights, which have not seen this footage,"
        f" with a head fitted to it. This encoder {own}."
    )


def named_sources(given: Sequence[str]) -> Sources:
    """Paths by camera and file name, as an evaluation names them; without those that share both."""
    paths: dict[tuple[str, str], list[str]] = {}
    for source in find_sources(given):
        paths.setdefault((source.camera, Path(source.path).name), []).append(source.path)
    return {name: same[0] for name, same in paths.items() if len(same) == 1}


def compare(examples: list[Results], sources: Sources) -> list[Comparison]:
    """Read the pictures of an evaluation's examples; those with a file that is not known for sure are left out."""
    comparisons: list[Comparison] = []
    for example in examples:
        places = [example, *(hit for row in example["rows"] for hit in row["hits"])]
        if all((place["camera"], place["clip"]) in sources for place in places):
            rows = [_hit_row(row, example["to_find"], sources) for row in example["rows"]]
            comparisons.append(Comparison(_crop(example, sources, example["label"]), rows))
    return comparisons


def _hit_row(row: Results, to_find: int | None, sources: Sources) -> HitRow:
    hits = row["hits"]
    right = f"{sum(hit['right'] for hit in hits)} right of {min(len(hits), to_find)} possible" if to_find else ""
    return HitRow(row["name"], right, [_crop(hit, sources) for hit in hits])


def _crop(place: Results, sources: Sources, note: str = "") -> Thumb:
    picture = frame_at(sources[place["camera"], place["clip"]], place["time_s"])
    cut = Region(*place["box"]).crop(picture)
    return Thumb(thumb_uri(cut), place["camera"], place["time_s"], note=note, right=place.get("right"))


def _sheet(search: Results) -> Sheet:
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
