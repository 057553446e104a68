"""A real browser plays what each encoder makes of a recording that it does not play, and shows the right frames."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from playwright.sync_api import Browser

from lookalike.footage.playable import judge, make_playable
from lookalike.proxy_encoders import ProxyEncoder
from tests.clips import SIZE_PX, number_of, write_clip

WAIT_MS = 60_000
SHOW = """async ({ data, moments }) => {
  const video = document.createElement("video")
  video.muted = true
  video.src = `data:video/mp4;base64,${data}`
  document.body.append(video)
  const frameOf = video =>
    new Promise(resolve => video.requestVideoFrameCallback((now, frame) => resolve(frame.mediaTime)))
  const canvas = document.createElement("canvas")
  await new Promise((resolve, reject) => {
    video.onloadeddata = resolve
    video.onerror = () => reject(new Error(video.error.message))
  })
  const shown = []
  for (const moment of moments) {
    let presented = frameOf(video)
    video.currentTime = moment
    while (Math.abs((await presented) + 0.02 - moment) > 0.01) presented = frameOf(video)
    canvas.width = video.videoWidth
    canvas.height = video.videoHeight
    const context = canvas.getContext("2d")
    context.drawImage(video, 0, 0)
    shown.push(Array.from(context.getImageData(0, 0, canvas.width, canvas.height).data))
  }
  return shown
}"""


@pytest.mark.parametrize("encoder", get_args(ProxyEncoder))
def test_a_browser_plays_it(browser: Browser, tmp_path: Path, encoder: ProxyEncoder) -> None:
    path = write_clip(tmp_path / "a.avi", range(0, 2400, 40), codec="mpeg4", codec_options={"b": "2M"})
    assert judge(str(path)).how == "encoded"
    make_playable(str(path), tmp_path / "out.mp4", "encoded", lambda share: None, encoder)
    data = base64.b64encode((tmp_path / "out.mp4").read_bytes()).decode()
    numbers = [3, 55, 31]
    page = browser.new_page()
    page.set_default_timeout(WAIT_MS)
    shown = page.evaluate(SHOW, {"data": data, "moments": [(number + 0.5) * 0.04 for number in numbers]})
    page.close()
    width, height = SIZE_PX
    assert [number_of(np.array(rgba, np.uint8).reshape(height, width, 4)[..., :3]) for rgba in shown] == numbers
