"""The only place where a file is opened as a video: that file alone, whatever its name or its content says."""

from __future__ import annotations

from pathlib import Path

import av
from av.container import InputContainer

from lookalike.regular import check_regular

# Formats that hold a recording. Not among them: scripts and playlists (concat, HLS, DASH, SDP), which open other files;
# image2, lavfi and tty. A format has several names where libavformat has one reader for them.
FORMATS = (
    "3gp,3g2,asf,avi,dhav,dv,flv,gif,h261,h263,h264,hevc,ivf,live_flv,m4a,m4v,matroska,mj2,mjpeg,mjpeg_2000,mov,mp4"
    ",mpeg,mpegts,mpegvideo,mxf,nut,obu,ogg,rm,vc1,webm,wtv,yuv4mpegpipe"
)


def open_video(path: str, probe_bytes: int | None = None) -> InputContainer:
    """Open a file. Its name is only a name, also with a colon in it.

    probe_bytes: how much of it may be looked at to tell its format, where a quick answer matters.
    Raises: FFmpegError; FootageError if it is not a regular file; OSError.
    """
    check_regular(path)
    options = {"protocol_whitelist": "file", "format_whitelist": FORMATS}
    if probe_bytes:
        options["formatprobesize"] = str(probe_bytes)
    return av.open(f"file:{Path(path).absolute()}", options=options)
