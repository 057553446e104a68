"""Files whose names or contents ask for more than to be read: other files, the network, or all of the machine.

Each row of "hostile" in shared/data/cases/README.md that concerns footage; what a few lines can make is made here.
"""

from __future__ import annotations

import http.server
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from lookalike.errors import FootageError
from lookalike.footage import Source, find_sources, frame_at
from lookalike.footage.container import open_video
from lookalike.footage.read import Ended, read_source
from lookalike.footage.url import opened_url, shown_url
from tests.clips import noise, number_of, write_clip
from tests.conftest import SHARED_DATA

CASES = SHARED_DATA / "cases" / "hostile"
NOT_A_VIDEO = "not a readable video ("


@contextmanager
def listener() -> Iterator[tuple[int, list[object]]]:
    """A port of this machine, and who connected to it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        came: list[object] = []

        def listen() -> None:
            with suppress(OSError):
                while True:
                    connection, who = server.accept()
                    came.append(who)
                    connection.close()

        threading.Thread(target=listen, daemon=True).start()
        yield server.getsockname()[1], came
        server.shutdown(socket.SHUT_RDWR)


SCRIPTS = {
    "concat": "ffconcat version 1.0\nfile '{good}'\n",
    "concat of a URL": "ffconcat version 1.0\noption protocol_whitelist file,http,tcp\nfile {url}\n",
    "concat of itself": "ffconcat version 1.0\nfile {own}\n",
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{good}\n#EXT-X-ENDLIST\n",
    "hls of a URL": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{url}/a.ts\n#EXT-X-ENDLIST\n",
    "hls of playlists": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{url}/a.m3u8\n",
    "hls key": '#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{url}/k"\n#EXTINF:2,\n{good}\n#EXT-X-ENDLIST\n',
    "m3u": "#EXTM3U\n{good}\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet'
    ' mimeType="video/mp4"><Representation id="a" bandwidth="1"><BaseURL>{url}/a.mp4</BaseURL></Representation>'
    "</AdaptationSet></Period></MPD>",
    "imf": '<?xml version="1.0"?><CompositionPlaylist xmlns="http://www.smpte-ra.org/schemas/2067-3/2016">'
    "</CompositionPlaylist>",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 33\n",
    "asx": '<asx version="3.0"><entry><ref href="{url}/a.wmv"/></entry></asx>',
    "asf redirector": "[Reference]\nRef1={url}/a.wmv?MSWMExt=.asf\nRef2={url}/b.wmv?MSWMExt=.asf\n",
    "nsc": "[Address]\nName=x\nFormats1={url}\nNSC Format Version=3.0\nMulticast Address={url}\n",
    "rtsptext": "RTSPtextrtsp://127.0.0.1:{port}/a\r\n",
    "quicktime link": '<?xml version="1.0"?><?quicktime type="application/x-quicktime-media-link"?>'
    '<embed src="{url}/a.mov" autoplay="true"/>',
    "smil": '<smil><body><video src="{url}/a.mp4"/></body></smil>',
    "ffmetadata": ";FFMETADATA1\ntitle=x\n[STREAM]\n[CHAPTER]\nSTART=0\nEND=9\n",
    "cue": 'FILE "{good}" MP3\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n',
    "pls": "[playlist]\nFile1={good}\nNumberOfEntries=1\n",
    "lavfi": "movie={good}",
    "vapoursynth": "import vapoursynth\nopen('{good}')\n",
    "avisynth": 'AviSource("{good}")\n',
    "subtitles": "1\n00:00:00,000 --> 00:00:09,000\n{good}\n",
    "vobsub": "# VobSub index file, v7\nid: en, index: 0\ntimestamp: 00:00:00:000, filepos: 000000000\n",
    "text": "{good}\n" * 200,
}


@pytest.mark.parametrize("suffix", [".mp4", ".ts", ".mkv"])
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_or_playlist_is_no_video_and_opens_nothing(tmp_path, read, script, suffix):
    (tmp_path / "good").mkdir()
    good = write_clip(tmp_path / "good" / "a.mp4", [0, 40, 80])
    path = tmp_path / f"x{suffix}"
    with listener() as (port, came):
        path.write_text(
            SCRIPTS[script].format(good=good, url=f"http://127.0.0.1:{port}", port=port, own=path.name), newline=""
        )
        frames, skipped = read(path)
    assert frames == []
    assert [(one.source, one.reason[: len(NOT_A_VIDEO)]) for one in skipped] == [(str(path), NOT_A_VIDEO)]
    assert came == []


@pytest.mark.skipif(not CASES.exists(), reason="SHARED CASES ABSENT: only the scripts made here were tried")
@pytest.mark.parametrize("name", ["concat_sub.mp4", "concat_self.mp4", "concat_many.mp4"])
def test_the_playlists_of_the_collection_are_no_videos(read, name):
    frames, skipped = read(CASES / name)
    assert frames == []
    assert [one.reason[: len(NOT_A_VIDEO)] for one in skipped] == [NOT_A_VIDEO]


NAMES = [
    "async:http:127.0.0.1:{port}?y.mp4",
    "tcp:127.0.0.1:{port}?x.mp4",
    "http:127.0.0.1:{port}?y.mp4",
    "cache:tcp:127.0.0.1:{port}?x.mp4",
    "concat:a.mp4|b.mp4",
    "subfile,,start,0,end,9,,:x.mp4",
    "crypto:x.mp4",
    "data:video,x.mp4",
    "pipe:0.mp4",
    "file:x.mp4",
    "2026-01-05T08:00:00.mp4",
    "img%03d.jpg.mp4",
    "a*b?[c].mp4",
    "-i.mp4",
    "100%.mp4",
    "x#y@2.mp4",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_only_a_name(tmp_path, monkeypatch, read, name):
    monkeypatch.chdir(tmp_path)
    with listener() as (port, came):
        name = name.format(port=port)
        write_clip(tmp_path / "good.mp4", [0, 40, 80]).rename(tmp_path / name)
        for given in (name, f"./{name}", str(tmp_path / name), "."):
            frames, skipped = read(given)
            assert ([number_of(frame.image) for frame in frames], skipped) == ([0, 1, 2], [])
        assert number_of(frame_at(name, 0.04)) == 1
    assert came == []


def test_a_track_of_another_file_is_not_opened(tmp_path, read):
    """QuickTime lets the samples of a track lie in another file, named by an alias in `dref`."""
    write_clip(tmp_path / "other.mp4", [0, 40, 80])
    path = write_clip(tmp_path / "x.mp4", [0, 40, 80])
    path.write_bytes(refer_to(path.read_bytes(), "other.mp4"))
    frames, skipped = read(path)
    assert frames == []
    assert len(skipped) == 1


def refer_to(data: bytes, name: str) -> bytes:
    """Let the one track of an MP4, whose `moov` comes last, have its samples in a neighbour. Source: mov.c, FFmpeg."""
    absolute = f"/{name}".encode()
    absolute += b"\0" * (len(absolute) % 2)
    named = len(name).to_bytes(1, "big") + name.encode().ljust(63, b"\0")
    alias = bytes(10) + bytes(28) + bytes(12) + named + bytes(16)
    alias += (1).to_bytes(2, "big") * 2 + bytes(16)  # one level up, one down: in the same folder
    alias += (2).to_bytes(2, "big") + len(absolute).to_bytes(2, "big") + absolute + b"\xff\xff\0\0"
    alias = alias.ljust(200, b"\0")
    entry = (12 + len(alias)).to_bytes(4, "big") + b"alis" + bytes(4) + alias
    at = data.index(b"dref") + 4 + 8
    assert data[at + 4 : at + 8] == b"url "
    grown = bytearray(data[:at] + entry + data[at + 12 :])
    for box in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        where = grown.index(box, grown.index(b"moov")) - 4
        size = int.from_bytes(grown[where : where + 4], "big") + len(entry) - 12
        grown[where : where + 4] = size.to_bytes(4, "big")
    return bytes(grown)


def test_what_is_no_regular_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "a.mp4")
    with pytest.raises(FootageError, match="a named pipe, expected a file"):
        open_video(str(tmp_path / "a.mp4"))


@contextmanager
def serve(pages: dict[str, bytes]) -> Iterator[str]:
    """A server of these pages; a page that begins with `->` is a redirection."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = pages.get(self.path)
            moved = data is not None and data.startswith(b"->")
            self.send_response(404 if data is None else 302 if moved else 200)
            if data and moved:
                self.send_header("Location", data.removeprefix(b"->").decode())
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            self.wfile.write(data or b"")

        def log_message(self, format: str, *args: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


LONG = range(0, 1200, 40)  # enough to be recognised as MPEG-TS
HEAD, TAIL = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n", "#EXT-X-ENDLIST\n"
PLAYLISTS = {
    "segment": HEAD + "#EXTINF:2,\nfile:{good}\n" + TAIL,
    "segment with slashes": HEAD + "#EXTINF:2,\nfile://{good}\n" + TAIL,
    "concat": HEAD + "#EXTINF:2,\nconcat:{good}\n" + TAIL,
    "subfile": HEAD + "#EXTINF:2,\nsubfile,,start,0,end,99999,,:{good}\n" + TAIL,
    "crypto": HEAD + "#EXTINF:2,\ncrypto+file:{good}\n" + TAIL,
    "child": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nfile:{child}\n",
    "first part": HEAD + '#EXT-X-MAP:URI="file:{good}"\n#EXTINF:2,\nnothing.ts\n' + TAIL,
    "ffconcat": "ffconcat version 1.0\nfile 'file:{good}'\n",
    "redirection": "->file://{good}",
}


@pytest.mark.parametrize("playlist", PLAYLISTS)
def test_a_playlist_over_http_opens_no_local_file(tmp_path, playlist):
    good, child = write_clip(tmp_path / "a.ts", LONG, noise(len(LONG))), tmp_path / "a.m3u8"
    child.write_text(f"{HEAD}#EXTINF:2,\n{good}\n{TAIL}")
    page = PLAYLISTS[playlist].format(good=good, child=child).encode()
    with serve({"/a.m3u8": page}) as url:
        (ended,) = read_source(Source(f"{url}/a.m3u8", "stream", "a"))
    assert isinstance(ended, Ended)
    assert ended.frames == 0
    assert ended.reason is not None


def test_a_playlist_over_http_of_parts_over_http_is_read(tmp_path):
    good = write_clip(tmp_path / "a.ts", LONG, noise(len(LONG))).read_bytes()
    page = f"{HEAD}#EXTINF:1,\na.ts\n{TAIL}".encode()
    with serve({"/a.m3u8": page, "/a.ts": good}) as url:
        items = list(read_source(Source(f"{url}/a.m3u8", "stream", "a")))
    assert len([one for one in items if not isinstance(one, Ended)]) == len(LONG)


SECRETS = [
    ("rtsp://User:pw9@host/a", "rtsp://host/a"),
    ("RTSP://User:pw9@Host/a", "rtsp://Host/a"),
    ("rtsp://u:p@w9/x@host/a", "rtsp://host/a"),
    ("rtsp://u:pw9?x@host/a", "rtsp://host/a"),
    ("rtsp://u:pw9#x@host/a", "rtsp://host/a"),
    (
        "rtsp://host:554/user=a_password=pw9_channel=1_stream=0",
        "rtsp://host:554/user=***_password=***_channel=1_stream=0",
    ),
    ("rtsp://host/user=a&password=pw9&channel=1", "rtsp://host/user=***&password=***&channel=1"),
    ("rtsp://host/a;password=pw9;channel=1", "rtsp://host/a;password=***;channel=1"),
    ("rtsp://host/PassWd=pw9/main", "rtsp://host/PassWd=***/main"),
    ("http://host/a?token=pw9", "http://host/a"),
    ("http://host/a#token=pw9", "http://host/a"),
    ("http://host/keyframes=1/author=me", "http://host/keyframes=1/author=me"),
    ("srt://host:9000?passphrase=pw9", "srt://host:9000"),
    ("ftp://u:pw9@host/a", "ftp://host/a"),
    ("rtsp://[::1]:554/a", "rtsp://[::1]:554/a"),
    ("rtsp://host:554/a?mail=x@pw9", "rtsp://host:554/a"),
    ("rtsp:/u:pw9@host/a", "rtsp://host/a"),
    (" rtsp://u:pw9@host/a", "rtsp://host/a"),
    ("rtsp://host/authbasic=pw9/a", "rtsp://host/authbasic=***/a"),
    ("http://host/a;jsessionid=pw9", "http://host/a;jsessionid=***"),
    ("rtsp://host/channel=1&pin=pw9", "rtsp://host/channel=1&pin=***"),
    ("rtsp://host/user%3Da%26p%61ssword%3Dpw9", "rtsp://host/user=***&password=***"),
    ("rtsp://host/a%40b", "rtsp://host/a%40b"),
    ("gate/a@2.mp4", "gate/a@2.mp4"),
]


@pytest.mark.parametrize(("url", "shown"), SECRETS)
def test_no_password_is_shown(url, shown):
    assert shown_url(url) == shown


def test_no_password_is_in_a_name_or_in_what_goes_wrong(monkeypatch):
    monkeypatch.setenv("CAM_PW", "p@w/9")
    (source,) = find_sources(["RTSP://admin:${CAM_PW}@127.0.0.1:1/user=a_password=secret8_channel=1?token=secret7"])
    (ended,) = read_source(source)
    assert isinstance(ended, Ended)
    assert ended.reason is not None
    text = f"{source.name} {source.camera} {ended.reason} {source}"
    assert "p@w/9" not in text
    assert "p%40w" not in text
    assert source.name == "rtsp://127.0.0.1:1/user=***_password=***_channel=1"
    assert "secret" not in f"{source.name} {source.camera} {ended.reason}"


def test_a_password_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("CAM_PW", "p@w/9")
    assert opened_url("RTSP://admin:${CAM_PW}@host/A") == "rtsp://admin:p%40w%2F9@host/A"
    with pytest.raises(FootageError, match=r"^rtsp://host/A: the environment variable CAM_PX is not set$"):
        find_sources(["rtsp://admin:${CAM_PX}@host/A"])
    with pytest.raises(FootageError) as raised:
        find_sources(["ftp://admin:pw9@host/a"])
    assert "pw9" not in str(raised.value)
