"""The video encoders for proxies. Browsers play what each of them makes. Only libx264 is under the GPL."""

from __future__ import annotations

from typing import Literal

ProxyEncoder = Literal["libx264", "libvpx-vp9", "libsvtav1"]
USUAL: ProxyEncoder = "libx264"
# A key frame every 60 frames, so that a player seeks quickly; qualities that look alike at a proxy's size.
# Sources: FFmpeg wiki, "Encode/H.264", "Encode/VP9" (constant quality, realtime), "Encode/AV1" (SVT-AV1).
SETTINGS: dict[ProxyEncoder, dict[str, str]] = {
    "libx264": {"preset": "veryfast", "crf": "23", "g": "60"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "row-mt": "1", "crf": "24", "b": "0", "g": "60"},
    "libsvtav1": {"preset": "10", "crf": "35", "g": "60"},
}
