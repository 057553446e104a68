"""Footage of four fixed cameras with known events: schedule -> passing object, light, noise, clock -> H.264.

    gate   a drive past a fence, under moving clouds
    road   two lanes and two pavements before houses, under moving clouds
    dock   a yard before three doors, in slowly changing daylight
    hall   indoors in the evening; a lamp goes on

One object passes at a time and comes back at other times, so "when else did the red car pass?" has a known answer.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lookalike.demo import night
from lookalike.demo.backdrops import PLANE, draw_backdrop, smooth_noise
from lookalike.demo.schedule import CAMERAS, Box, Camera, Event, Pass, box_at, pass_events, plan_passes, shown_at
from lookalike.demo.sprites import COLOURS, KINDS, MARGIN_M, draw_sprite
from lookalike.demo.tracks import TrackedRegion, write_tracks
from lookalike.region import Region

TURNS = 8  # pictures drawn of one cycle of legs or wheels
NOISE_SIGMA = 4.0  # of 255
CLOUD_UNITS_PER_S = 9.0
LAMP_ON_AT = 0.45  # of the clip's duration

Size = tuple[int, int]


def render_scenes(
    folder: Path,
    duration_s: float = 60,
    fps: int = 10,
    seed: int = 0,
    size_px: Size = (320, 180),
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Event]:
    """Write gate.mp4, road.mp4, dock.mp4, hall.mp4, events.csv and tracks.csv (see tracks.py) into `folder`.

    on_progress: called with (frames done, frames in all). Returns: the events, as in events.csv.
    A seed fixes every pixel before encoding; encoded bytes may differ between builds of x264.
    Raises: ValueError if no frame fits into duration_s, or a side of size_px is odd (yuv420p halves both).
    """
    count = frame_count(duration_s, fps, size_px)
    folder.mkdir(parents=True, exist_ok=True)
    events: list[Event] = []
    tracks: list[TrackedRegion] = []
    for index, camera in enumerate(CAMERAS):
        frames = scene_frames(camera, duration_s, fps, seed, size_px)
        for done in encode(folder / camera.clip, frames, fps, size_px, camera.recorded_at):
            on_progress(index * count + done, len(CAMERAS) * count)
        passes = plan_passes(camera, duration_s, seed)
        events.extend(pass_events(camera, passes, duration_s, fps))
        tracks.extend(pass_tracks(camera, passes, duration_s, fps))
    write_events(folder / "events.csv", events)
    write_tracks(folder / "tracks.csv", tracks)
    return events


def frame_count(duration_s: float, fps: int, size_px: Size) -> int:
    """Return the number of frames of a clip. Raises: ValueError if it is 0, or a side is odd (yuv420p halves both)."""
    count = round(duration_s * fps)
    if count < 1 or min(size_px) < 2 or size_px[0] % 2 or size_px[1] % 2:
        raise ValueError(f"{duration_s} s at {fps} fps, {size_px} px; expected at least one frame and even sides")
    return count


def write_events(path: Path, events: Iterable[Event]) -> None:
    """Write columns clip,start_s,end_s,label."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("clip", "start_s", "end_s", "label"))
        writer.writerows((e.clip, f"{e.start_s:.10g}", f"{e.end_s:.10g}", e.label) for e in events)


def pass_tracks(camera: Camera, passes: Sequence[Pass], duration_s: float, fps: int) -> list[TrackedRegion]:
    """Each thing in each frame in which its box reaches into the picture; sorted by time_s. Passes count from 1."""
    tracks: list[TrackedRegion] = []
    for time_s in (index / fps for index in range(round(duration_s * fps))):
        for number, shown in shown_at(camera, passes, time_s).items():
            pass_id, label = f"{camera.name}-{number + 1:02d}", passes[number].label
            region = _in_shares(shown.box)
            tracks.append(TrackedRegion(camera.clip, time_s, pass_id, label, region, round(shown.visible, 6)))
    return tracks


def _in_shares(box: Box) -> Region:
    """box: in units of the plane. Returns: it in shares of the picture."""
    x, y = box[0] / PLANE[0], box[1] / PLANE[1]
    w, h = (box[2] - box[0]) / PLANE[0], (box[3] - box[1]) / PLANE[1]
    return Region(*(round(share, 6) for share in (x, y, w, h)))


def scene_frames(camera: Camera, duration_s: float, fps: int, seed: int, size_px: Size) -> Iterator[np.ndarray]:
    """Yield the pictures of one of the demo's cameras: see draw_frames."""
    return draw_frames(camera, plan_passes(camera, duration_s, seed), duration_s, fps, seed, size_px)


def draw_frames(
    camera: Camera,
    passes: Sequence[Pass],
    duration_s: float,
    fps: int,
    seed: int,
    size_px: Size,
    gain_at: Callable[[float], np.ndarray | float] = lambda time_s: 1.0,
) -> Iterator[np.ndarray]:
    """Yield the pictures of one camera, before encoding: uint8 (H, W, 3), RGB, frame i at i / fps seconds.

    gain_at: time_s -> what the light is multiplied by, float32 that broadcasts to (H, W, 3).
    """
    rng = camera.rng(seed, purpose=1)
    width, height = size_px
    backdrop = draw_backdrop(camera.place or camera.name, size_px)
    light_at = _light(camera, duration_s, rng, size_px)
    sigma = night.NOISE_SIGMA if camera.night else NOISE_SIGMA
    grain = rng.normal(0, sigma, (height + 64, width + 64, 1 if camera.night else 3)).astype(np.float32)
    for index in range(round(duration_s * fps)):
        time_s = index / fps
        canvas = backdrop.copy()  # (H, W, 3) float32
        for passing in sorted(passes, key=lambda passing: passing.y_at(time_s)):  # what is nearer hides what is behind
            _paste(canvas, camera, passing, time_s)
        light = light_at(time_s) * gain_at(time_s)
        if camera.night:
            canvas = night.infrared(canvas)
            light = light * night.lamp(size_px) + night.headlights(camera, passes, time_s, size_px)
        canvas *= light
        x, y = rng.integers(0, 65, 2)  # another window of one noise field looks like fresh noise, at no cost
        canvas += grain[y : y + height, x : x + width]
        frame = canvas.clip(0, 255).astype(np.uint8)
        _burn_in(frame, camera, index // fps)
        yield night.colourless(frame) if camera.night else frame


@lru_cache(maxsize=2 * TURNS)  # of one pass and the next: a full set would hold 100 MB
def _sprite(label: str, turn: int, leftwards: bool) -> Image.Image:
    """Premultiplied, so that scaling mixes no colour of transparent pixels into the edges."""
    colour, kind = label.split("_")
    image = draw_sprite(KINDS[kind], COLOURS[colour], turn / TURNS)
    return (image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if leftwards else image).convert("RGBa")


def _paste(canvas: np.ndarray, camera: Camera, passing: Pass, time_s: float) -> None:
    """Draw the object onto canvas, float32 (H, W, 3), at a fraction of a pixel."""
    box = box_at(camera, passing, time_s, MARGIN_M)
    if box is None:
        return
    x_scale, y_scale = canvas.shape[1] / PLANE[0], canvas.shape[0] / PLANE[1]
    x0, y0, x1, y1 = box[0] * x_scale, box[1] * y_scale, box[2] * x_scale, box[3] * y_scale
    left, top = max(0, math.ceil(x0)), max(0, math.ceil(y0))
    right, bottom = min(canvas.shape[1], math.floor(x1)), min(canvas.shape[0], math.floor(y1))
    if left >= right or top >= bottom:
        return
    leftwards = passing.line[2] < passing.line[0]
    sprite = _sprite(passing.label, _turn(camera, passing, time_s), leftwards)
    across, down = sprite.width / (x1 - x0), sprite.height / (y1 - y0)
    part = ((left - x0) * across, (top - y0) * down, (right - x0) * across, (bottom - y0) * down)
    pixels = np.asarray(sprite.resize((right - left, bottom - top), Image.Resampling.BILINEAR, part, reducing_gap=2.0))
    canvas[top:bottom, left:right] *= 1 - pixels[..., 3:] / np.float32(255)
    canvas[top:bottom, left:right] += pixels[..., :3]


def _turn(camera: Camera, passing: Pass, time_s: float) -> int:
    """Which of the TURNS pictures of a cycle: legs and wheels follow the ground that was covered."""
    x0, y0, x1, y1 = passing.line
    length_m = math.hypot(x1 - x0, y1 - y0) / (((y0 + y1) / 2 - camera.horizon) * camera.growth)
    return int(passing.share_at(time_s) * length_m / passing.kind.cycle_m * TURNS) % TURNS


def _light(camera: Camera, duration_s: float, rng: np.random.Generator, size_px: Size) -> Callable[[float], np.ndarray]:
    """What every pixel is multiplied by at a time: drift, colour, clouds, lamp, and the lens's vignette.

    Returns: time_s -> float32 (H, W, 3).
    """
    width, height = size_px
    x, y = np.meshgrid(np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32))
    still = (1 - 0.13 * (x**2 + y**2))[..., None]  # (H, W, 1)
    speed_px_per_s = CLOUD_UNITS_PER_S * width / PLANE[0]
    sky_px = width + math.ceil(speed_px_per_s * duration_s)
    shadow = 1 / (1 + np.exp(-3 * smooth_noise((sky_px, height), (max(4, 4 * sky_px // width), 4), rng)))
    shadow = (camera.cloud * shadow).astype(np.float32)[..., None]  # (H, sky, 1)
    period_s, phase = rng.uniform(50, 80), rng.uniform(0, 2 * math.pi)

    def at(time_s: float) -> np.ndarray:
        swing = math.sin(2 * math.pi * time_s / period_s + phase)
        tint = math.sin(2 * math.pi * time_s / (1.7 * period_s) + 2 * phase) * camera.warmth
        gain = np.array([1 + tint, 1, 1 - tint], np.float32) * np.float32(1 + camera.drift * swing)
        drifted = int(speed_px_per_s * time_s)
        sun = 1 + camera.cloud / 2 - shadow[:, drifted : drifted + width]
        return still * sun * gain * (_lamp(camera.lamp, x, y, time_s - LAMP_ON_AT * duration_s) if camera.lamp else 1)

    return at


def _lamp(lamp: tuple[float, float, float], x: np.ndarray, y: np.ndarray, on_for_s: float) -> np.ndarray:
    """Dusk before the lamp goes on; after it, a warm pool of light. x, y: (H, W), -1..1. Returns: (H, W, 3)."""
    dusk = np.array([0.5, 0.54, 0.62], np.float32)
    if on_for_s < 0:
        return dusk
    centre_x, centre_y, radius = lamp
    squared = ((x + 1) / 2 * PLANE[0] - centre_x) ** 2 + ((y + 1) / 2 * PLANE[1] - centre_y) ** 2
    pool = np.exp(-squared / radius**2)[..., None] * min(1.0, 0.3 + on_for_s)  # tubes take a moment to warm up
    return dusk + pool * np.array([0.6, 0.53, 0.4], np.float32)


def _burn_in(frame: np.ndarray, camera: Camera, second: int) -> None:
    """Write the recorder's clock into a corner of frame, uint8 (H, W, 3), after the noise, as recorders do."""
    height, width = frame.shape[:2]
    text = _clock(camera.name, (datetime.fromisoformat(camera.recorded_at) + timedelta(seconds=second)), height)
    text = text[: height // 2, : width - 4]
    x = (width - text.shape[1] - 2) * camera.clock[0] + 2 * (1 - camera.clock[0])
    y = (height - text.shape[0] - 2) * camera.clock[1] + 2 * (1 - camera.clock[1])
    frame[y : y + text.shape[0], x : x + text.shape[1]] = text


@lru_cache(maxsize=1)
def _clock(name: str, moment: datetime, height_px: int) -> np.ndarray:
    """Light text on a dark box. Returns: uint8 (h, w, 3)."""
    font = ImageFont.load_default(max(6.0, height_px * 0.055))
    text = f"{moment:%Y-%m-%d %H:%M:%S}  {name.upper()}"
    left, top, right, bottom = font.getbbox(text.replace("1", "0"))  # the box must not change width every second
    image = Image.new("RGB", (round(right - left) + 8, round(bottom - top) + 6), (16, 16, 18))
    ImageDraw.Draw(image).text((4 - left, 3 - top), text, fill=(226, 228, 222), font=font)
    return np.asarray(image)


def encode(path: Path, frames: Iterable[np.ndarray], fps: int, size_px: Size, recorded_at: str) -> Iterator[int]:
    """Write H.264 with frame i at exactly i / fps seconds; yield how many frames are in."""
    with av.open(str(path), "w") as container:
        container.metadata["creation_time"] = recorded_at
        stream = container.add_stream("libx264", rate=fps, options={"crf": "21", "preset": "veryfast"})
        stream.width, stream.height = size_px
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, fps)
        for index, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, fps)
            container.mux(stream.encode(frame))
            yield index + 1
        container.mux(stream.encode())
