"""Find the video tracks of a file that are recordings; covers and previews are not.

A file of several cameras has several: `front_rear.mp4` is the first, `front_rear.mp4#2` the second, and so on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

from lookalike.errors import FootageError
from lookalike.footage.container import is_known, open_video
from lookalike.footage.demux import packets_of
from lookalike.footage.sources import Source, split_track

# Source: libavformat/avformat.h, AV_DISPOSITION_*. Chapter pictures in MP4 are timed thumbnails.
NOT_A_FILM = (
    Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image | Disposition.dependent
).value
PICTURES = frozenset("bmp gif jpeg2000 jpegls mjpeg png tiff webp".split())  # codecs of covers and previews
SPARSE = 10  # a track of small pictures that has fewer than 1/SPARSE of the film's frames is a preview
MOST_TRACKS = 16  # recordings of one file that are read; a few bytes can state another track
ENOUGH = 250  # packets of a track to count, if the header does not state the number of frames


def open_track(path: str, track: int = 1) -> InputContainer:
    """Open a file to read one of its recordings; `video_stream` returns it, and no other is demuxed.

    track: from 1. Raises: FootageError if there are fewer tracks; FFmpegError; OSError.
    """
    if track > MOST_TRACKS:
        raise FootageError(f"{path}#{track}: too many video tracks: at most {MOST_TRACKS} of a file are read")
    container = open_video(path)
    try:
        if track > 1 or len(container.streams.video) > 1:
            _leave(container, path, track)
    except BaseException:
        container.close()
        raise
    return container


def open_named(name: str) -> InputContainer:
    """Open a recording by the name that it is stored under. Raises: as `open_track`."""
    return open_track(*split_track(name))


def film(container: InputContainer) -> VideoStream:
    """Return the recording of a container: the one that `open_track` kept; for a stream the first, by its header.

    Raises: FootageError if there is no recording.
    """
    streams = [stream for stream in _candidates(container) if stream.discard != Discard.all]
    if not streams:
        unknown = [stream for stream in container.streams.video if not is_known(stream)]
        why = ", only one of an unknown codec" if unknown else ", only a picture" if container.streams.video else ""
        raise FootageError(f"no video stream{why}")
    counts = {stream.index: stream.frames for stream in streams}
    return next((stream for stream in streams if not _is_preview(stream, streams, counts)), streams[0])


def every_track(sources: Iterable[Source]) -> Iterator[Source]:
    """Yield each source; a file of several cameras as several sources.

    A file is opened to look for more cameras only when the next source is requested.
    """
    for source in sources:
        if source.kind != "video" or source.track is not None:
            yield source
            continue
        yield replace(source, track=1)
        for track in range(2, _count_tracks(source.path) + 1):
            yield replace(source, camera=f"{source.camera}#{track}", track=track)


def _count_tracks(path: str) -> int:
    try:
        with open_video(path) as container:
            return min(len(_films(container, path)), MOST_TRACKS + 1)  # reading one more reports that they are too many
    except (FootageError, FFmpegError, OSError, ValueError):
        return 0  # reading it reports the error


def _leave(container: InputContainer, path: str, track: int) -> None:
    """Keep one recording: the demuxer drops all other video tracks."""
    films = _films(container, path)
    if track > max(len(films), 1):
        raise FootageError(f"{path}#{track}: no video track {track}, it has {len(films)}")
    for stream in container.streams.video:
        if not films or stream.index != films[track - 1].index:
            stream.discard = Discard.all


def _films(container: InputContainer, path: str) -> list[VideoStream]:
    """Return the tracks that are recordings, in stored order."""
    streams = _candidates(container)
    if len(streams) < 2:
        return streams
    counts = {stream.index: stream.frames for stream in streams}
    if not any(counts.values()):
        counts = _count(streams, lambda: open_video(path))
    films = [stream for stream in streams if not _is_preview(stream, streams, counts)]
    return [stream for stream in films if counts[stream.index]] or streams[:1]


def _candidates(container: InputContainer) -> list[VideoStream]:
    known = [stream for stream in container.streams.video if is_known(stream)]
    return [stream for stream in known if not stream.disposition.value & NOT_A_FILM]


def _is_preview(stream: VideoStream, streams: Sequence[VideoStream], counts: Mapping[int, int]) -> bool:
    """Whether a track is one picture next to a film, or small pictures far apart."""
    count, most = counts[stream.index], max(counts.values())
    return (count == 1 and most > 1) or (_may_be_thumbnails(stream, streams) and count * SPARSE <= most)


def _may_be_thumbnails(stream: VideoStream, streams: Sequence[VideoStream]) -> bool:
    largest = max(track.width * track.height for track in streams)
    return stream.codec_context.name in PICTURES and stream.width * stream.height < largest


def _count(streams: Sequence[VideoStream], reopen: Callable[[], InputContainer]) -> Mapping[int, int]:
    """Count the packets of each track, until previews can be distinguished from films."""
    counts: Counter[int] = Counter({stream.index: 0 for stream in streams})
    enough = ENOUGH if any(_may_be_thumbnails(stream, streams) for stream in streams) else 2
    try:
        with reopen() as container:
            for packet in packets_of(container, *(container.streams[index] for index in counts)):
                counts[packet.stream.index] += packet.size > 0
                if min(counts.values()) >= enough or max(counts.values()) >= ENOUGH:
                    break
            else:
                return counts
    except FFmpegError:
        pass  # damaged further on
    for stream in streams:  # a track without packets may begin later, if its header describes it
        counts[stream.index] = counts[stream.index] or (2 if stream.width else 0)
    return counts
