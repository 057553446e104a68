"""The verbs that ask: search, locate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from lookalike.cli.flags import EVERY_FRAME, EncoderFile, IndexAt, Json, WhichFrames, app, fail

if TYPE_CHECKING:
    from lookalike.index import Hit


@app.command(
    help_epilogue="Example: `lookalike search crop.jpg --encoder encoder.onnx --index index/ --top 5 --camera gate`"
)
def search(
    image: Annotated[Path | None, Parameter(help="Picture to look for.")] = None,
    *,
    encoder: EncoderFile,
    index: IndexAt,
    id_: Annotated[
        str | None, Parameter(name="--id", help="Instead of a picture: a stored frame, by the id in a hit.")
    ] = None,
    at: Annotated[
        str | None, Parameter(help="Instead of a picture: a moment of a recording, as gate.mp4@12.5, seconds.")
    ] = None,
    region: Annotated[
        str | None, Parameter(help="Look for this part of it only: x,y,w,h in pixels, or in shares as .5,0,.5,1.")
    ] = None,
    like: Annotated[
        tuple[str, ...],
        Parameter(help="More of what to look for: pictures, ids or moments; may be repeated.", negative=""),
    ] = (),
    unlike: Annotated[tuple[str, ...], Parameter(help="What not to look for; as --like.", negative="")] = (),
    top: Annotated[int, Parameter(help="How many hits to answer.")] = 10,
    by: Annotated[
        Literal["moment", "clip"], Parameter(help="What is one hit: neighbouring frames, or all of one recording.")
    ] = "moment",
    min_score: Annotated[float | None, Parameter(help="Only hits of at least this cosine similarity.")] = None,
    min_percentile: Annotated[
        float | None,
        Parameter(help="Only hits nearer than this share of the other frames of their camera, as 99.5."),
    ] = None,
    diverse: Annotated[
        float, Parameter(help="From 0, the nearest, to 1: hits that are unlike each other, of those that are near.")
    ] = 0.0,
    colour: Annotated[
        float | None,
        Parameter(help="What colour counts: from 0, the same kind of thing, to 1, the same look."),
    ] = None,
    layout: Annotated[
        float | None,
        Parameter(help="What position counts, of the rest: from 0, anywhere in the picture, to 1, in the same place."),
    ] = None,
    which: WhichFrames = EVERY_FRAME,
    json_: Json = False,
) -> None:
    """Find the moments that look most like a picture. Neighbouring frames are answered as one hit with its span.

    A stored frame in which something moves (--id, --at) is asked by that; --region asks by another part of it. A
    picture of a stored camera, far from the camera's usual view, is asked by what differs from that.
    """
    from lookalike.console import print_data, say
    from lookalike.encoder import Encoder
    from lookalike.errors import QueryError
    from lookalike.examples import example_of
    from lookalike.index import Choice, open_index
    from lookalike.index.ask import GivenWeights, SearchRequest
    from lookalike.region import Region

    filters, weights = which.read(), GivenWeights(colour, layout)
    try:
        choice = Choice(by, min_score, min_percentile, diverse)
        part = Region.parse(region) if region else None
    except ValueError as error:
        fail(str(error), code=2)
    if top < 1:
        fail(f"--top is {top}, expected at least 1", code=2)
    asked = [str(one) for one in (image, id_, at) if one is not None]
    if len(asked) > 1 or (not asked and (region or not like)):
        fail("expected one of a picture, --id or --at; or --like alone, of which there is no --region", code=2)
    model = Encoder(encoder, "cpu")
    try:
        weights.check(model.spec)
    except QueryError as error:
        fail(str(error), code=2)
    with open_index(index, model.spec) as store:
        wanted = [example_of(one, model, store, part) for one in asked]
        wanted += [example_of(one, model, store) for one in like]
        avoided = [example_of(one, model, store).vector for one in unlike]
        try:
            hits = store.ask(SearchRequest(wanted, avoided, top, filters, choice, weights))
        except QueryError as error:
            fail(str(error), code=2)
    if not json_:
        print_data(f"{'score':>6}  {'pct':>5}  {'time':>9}  {'span':>15}  {'frames':>6}  camera  source")
    for hit in hits:
        print_data(json.dumps(hit.to_dict()) if json_ else _line(hit))
    if not hits:
        say("nothing found: no frame meets the conditions; cameras are as in `lookalike stats`, sources as in hits")


@app.command(help_epilogue="Example: `lookalike locate clip.mp4 --encoder encoder.onnx --index index/`")
def locate(
    clip: Annotated[str, Parameter(help="Short video to look for.")],
    *,
    encoder: EncoderFile,
    index: IndexAt,
    fps: Annotated[float, Parameter(help="Frames of it to compare in each second.")] = 5.0,
    top: Annotated[int, Parameter(help="How many recordings to answer.")] = 5,
    min_similarity: Annotated[float, Parameter(help="Only recordings whose frames are so much alike.")] = 0.8,
    min_agreement: Annotated[float, Parameter(help="Only recordings that change in the same way so much.")] = 0.3,
    which: WhichFrames = EVERY_FRAME,
    json_: Json = False,
) -> None:
    """Find of which recordings a clip is a copy, and where: also if it was trimmed, scaled or encoded again, mirrored,
    set between bars, given a banner, or is played at 1.25 or .8 times the speed.
    """
    from lookalike.console import print_data, say
    from lookalike.encoder import Encoder
    from lookalike.explore.clip import read_clip
    from lookalike.explore.copies import find_copies
    from lookalike.index import open_index
    from lookalike.sampling import Sampling

    filters, sampling = which.read(), Sampling(fps)
    try:
        sampling.check()
    except ValueError as error:
        fail(str(error), code=2)
    if top < 1:
        fail(f"--top is {top}, expected at least 1", code=2)
    model = Encoder(encoder, "cpu")
    read = read_clip(clip, model, sampling)
    if read.reason:
        say(f"{clip}: {read.reason}; what was read is looked for")
    with open_index(index, model.spec) as store:
        copies = find_copies(store, read.times_s, read.versions, top, filters)
    copies = [one for one in copies if one.similarity >= min_similarity and one.agreement >= min_agreement]
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
        say("nothing found: no recording agrees with the clip as --min-similarity and --min-agreement ask for")


def _line(hit: Hit) -> str:
    span = f"{hit.span_s[0]:.1f}-{hit.span_s[1]:.1f} s"
    place = f"{hit.time_s:7.1f} s  {span:>15}  {hit.frames:6}  {hit.camera}  {hit.source}"
    region = f"  region {hit.region}" if hit.region else ""
    asked = f"  asked by {hit.asked}" if hit.asked else ""
    return f"{hit.score:6.3f}  {hit.percentile:5.1f}  {place}{region}{asked}"
