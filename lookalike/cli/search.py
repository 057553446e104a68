"""The verbs that search: search, locate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from lookalike.cli.flags import EVERY_FRAME, EncoderFile, IndexAt, Json, WhichFrames, app, fail, filters_of
from lookalike.search_fields import USUAL, SearchOptions

if TYPE_CHECKING:
    from lookalike.index import Hit

HowMany = Annotated[SearchOptions, Parameter(name="*")]


@app.command(
    help_epilogue="Example: `lookalike search crop.jpg --encoder encoder.onnx --index index/ --top 5 --camera gate`"
)
def search(
    image: Annotated[Path | None, Parameter(help="Picture to search by.")] = None,
    *,
    encoder: EncoderFile,
    index: IndexAt,
    id_: Annotated[
        str | None, Parameter(name="--id", help="Instead of a picture: a stored frame, by the id of a hit.")
    ] = None,
    at: Annotated[
        str | None, Parameter(help="Instead of a picture: a moment of a recording, such as gate.mp4@12.5, seconds.")
    ] = None,
    region: Annotated[
        str | None,
        Parameter(help="Search by this region of it: x,y,w,h in pixels, or in shares such as .5,0,.5,1."),
    ] = None,
    like: Annotated[
        tuple[str, ...],
        Parameter(help="More examples: pictures, ids, moments; each may have a region, FILE#x,y,w,h.", negative=""),
    ] = (),
    unlike: Annotated[tuple[str, ...], Parameter(help="Examples to avoid; as --like.", negative="")] = (),
    options: HowMany = USUAL,
    which: WhichFrames = EVERY_FRAME,
    json_: Json = False,
) -> None:
    """Find the moments that look most like a picture. Neighbouring frames are merged into one hit, with its span.

    A stored frame in which something moves (--id, --at) is searched by its moving regions; --region searches by another
    region. A picture of a stored camera, far from the camera's usual view, is searched by its difference from it.
    """
    from lookalike.console import print_data, say
    from lookalike.encoder import Encoder
    from lookalike.errors import QueryError
    from lookalike.index import open_index
    from lookalike.search import Example, Searcher, SearchRequest

    try:
        pointed = [Example.parse(str(text)) for text in (image, id_, at) if text is not None]
        request = SearchRequest.of(pointed, region, like, unlike, filters_of(which), options)
    except ValueError as error:
        fail(str(error), code=2)
    model = Encoder(encoder, "cpu")
    with open_index(index, model.spec) as store:
        try:
            hits = Searcher(model, store).search(request)
        except QueryError as error:
            fail(str(error), code=2)
    if not json_:
        print_data(f"{'score':>6}  {'pct':>5}  {'time':>9}  {'span':>15}  {'frames':>6}  camera  source")
    for hit in hits:
        print_data(json.dumps(hit.to_dict()) if json_ else _line(hit))
    if not hits:
        say("nothing found: no frame matches the filters; cameras are as in `lookalike stats`, sources as in hits")


@app.command(help_epilogue="Example: `lookalike locate clip.mp4 --encoder encoder.onnx --index index/`")
def locate(
    clip: Annotated[str, Parameter(help="Short video to locate.")],
    *,
    encoder: EncoderFile,
    index: IndexAt,
    fps: Annotated[float, Parameter(help="Frames of the clip to compare in each second.")] = 5.0,
    top: Annotated[int, Parameter(help="How many recordings to return.")] = 5,
    min_similarity: Annotated[float, Parameter(help="Only recordings with at least this similarity of frames.")] = 0.8,
    min_agreement: Annotated[float, Parameter(help="Only recordings with at least this agreement of changes.")] = 0.3,
    which: WhichFrames = EVERY_FRAME,
    json_: Json = False,
) -> None:
    """Find the recordings that a clip was copied from, and where: also if it was trimmed, scaled, encoded again or
    mirrored, has bars or a banner, or plays at 1.25 or .8 times the speed.
    """
    from lookalike.console import print_data, say
    from lookalike.encoder import Encoder
    from lookalike.explore.clip import read_clip
    from lookalike.explore.copies import find_copies
    from lookalike.footage.sampling import Sampling
    from lookalike.index import open_index

    filters, sampling = filters_of(which), Sampling(fps)
    try:
        sampling.check()
    except ValueError as error:
        fail(str(error), code=2)
    if top < 1:
        fail(f"--top is {top}, expected at least 1", code=2)
    model = Encoder(encoder, "cpu")
    read = read_clip(clip, model, sampling)
    if read.reason:
        say(f"{clip}: {read.reason}; searching for the part that was read")
    with open_index(index, model.spec) as store:
        copies = find_copies(store, read.times_s, read.versions, top, filters)
    copies = [copy for copy in copies if copy.similarity >= min_similarity and copy.agreement >= min_agreement]
    if not json_:
        print_data(
            f"{'agreement':>9}  {'similarity':>10}  {'offset':>9}  {'span':>17}  {'speed':>5}  mirrored  camera  source"
        )
    for copy in copies:
        span = f"{copy.span_s[0]:.1f}-{copy.span_s[1]:.1f} s"
        numbers = f"{copy.agreement:9.3f}  {copy.similarity:10.3f}  {copy.offset_s:7.1f} s  {span:>17}"
        how = f"{copy.speed:5.2f}  {'yes' if copy.mirrored else 'no':>8}"
        print_data(json.dumps(copy.to_dict()) if json_ else f"{numbers}  {how}  {copy.camera}  {copy.source}")
    if not copies:
        say("nothing found: no recording agrees with the clip by --min-similarity and --min-agreement")


def _line(hit: Hit) -> str:
    span = f"{hit.span_s[0]:.1f}-{hit.span_s[1]:.1f} s"
    place = f"{hit.time_s:7.1f} s  {span:>15}  {hit.frames:6}  {hit.camera}  {hit.source}"
    region = f"  region {hit.region}" if hit.region else ""
    asked = f"  searched by {hit.asked}" if hit.asked else ""
    return f"{hit.score:6.3f}  {hit.percentile:5.1f}  {place}{region}{asked}"
