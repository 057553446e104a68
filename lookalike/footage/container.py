"""Open a file as a video: this file only, whatever its name or content says. No other module opens videos.

`playlist` finds the segments of a playlist, and FFmpeg gets their bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import av
from av.codec.context import CodecContext
from av.container import InputContainer
from av.stream import Stream

from lookalike.errors import FootageError
from lookalike.files.regular import check_regular
from lookalike.footage.limits import LIMITS
from lookalike.footage.playlist import Joined, is_playlist, read_playlist

# Formats of recordings in one file. Left out: scripts and playlists (concat, HLS, DASH, SDP, IMF), which open other
# files; MLV, which opens neighbouring files; image2, lavfi and tty. If formats share a reader, all names are listed.
FORMATS = (
    "3gp,3g2,asf,av1,avi,cavsvideo,cine,dhav,dv,flv,gif,gxf,h261,h263,h264,hevc,hxvs,ivf,ivr,kux,live_flv,lxf,m4a,m4v"
    ",matroska,mj2,mjpeg,mjpeg_2000,mov,mp4,mpeg,mpegts,mpegvideo,mpjpeg,mxf,nsv,nut,nuv,obu,ogg,pva,rm,vc1,vvc,webm"
    ",wtv,yuv4mpegpipe"
)
# enable_drefs: tracks of a MOV in other files.
ONE_FILE = {"protocol_whitelist": "file", "format_whitelist": FORMATS, "enable_drefs": "0"}
MAX_PIXELS = {"max_pixels": str(LIMITS.frame_pixels)}  # decoders refuse larger frames before they allocate


def open_video(path: str, probe_bytes: int | None = None) -> InputContainer:
    """Open a file. Its name is never read as a URL, even with a colon in it.

    probe_bytes: how much of the file is read to find its format; None for libavformat's default.
    Raises: FFmpegError; OSError; FootageError if it is not a regular file, or its frames are too large.
    """
    check_regular(path)
    options = ONE_FILE | MAX_PIXELS
    if probe_bytes:
        options["formatprobesize"] = str(probe_bytes)
    if is_playlist(path):
        playlist = read_playlist(path)
        return bounded(av.open(Joined(playlist, path), "r", format=playlist.format, options=options), path)
    return bounded(av.open(f"file:{Path(path).absolute()}", options=options), path)


def is_known(stream: Stream) -> bool:
    """Whether there is a decoder for a stream's codec; otherwise PyAV makes no codec context."""
    return cast(CodecContext | None, stream.codec_context) is not None


def bounded(container: InputContainer, name: str) -> InputContainer:
    """Limit the frame size of all decoders of a container; a stream may change its size later.

    name: for messages. Raises: FootageError if the header states larger frames; the container is closed then.
    """
    for stream in container.streams.video:
        if not is_known(stream):
            continue
        width, height = stream.codec_context.width, stream.codec_context.height
        if width * height > LIMITS.frame_pixels:
            container.close()
            size = f"frames of {width}x{height} are {width * height:,} pixels"
            raise FootageError(f"{name}: {size}, at most {LIMITS.frame_pixels:,}")
        stream.codec_context.options = MAX_PIXELS
    return container
