"""Augment a whole batch at once on the training device: two views of each frame.

Every parameter is drawn per image, on the CPU from one generator: the same seed gives the same views on any device,
and nothing waits for the device. Brightness, contrast, saturation, hue and grey are all linear in colour, so an image's
draw of them, in random order, becomes one 3x4 matrix. Values are clipped once, at the end, not in between.

Source of the paper's distributions: BYOL, arXiv 2006.07733, appendix B, table 6.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from training.config import Views

GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601 luma
CROP, CROP_OF_PHOTO = 0.5, 0.3  # default smallest share of a picture that a view keeps
CROP_TRIES = 10  # draws of a rectangle that fits, before the whole picture is taken


@dataclass(frozen=True)
class ViewPolicy:
    """One distribution of views. The defaults are the paper's T; its T' differs in blur and solarisation.

    gamma: exposure curves from 1 / gamma to gamma, log-uniformly. gain: each channel is scaled by 1 - gain to 1 + gain.
    """

    crop_area_min: float = 0.08
    crop_ratio: float = 4 / 3
    flip_p: float = 0.5
    jitter_p: float = 0.8
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.2
    hue: float = 0.1
    grey_p: float = 0.2
    blur_p: float = 1.0
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    solarize_p: float = 0.0
    gamma: float = 1.0
    gain: float = 0.0


def paper_policies(crop_area_min: float = 0.08) -> tuple[ViewPolicy, ViewPolicy]:
    """Return T and T' of the paper. crop_area_min: smallest share of the picture."""
    return ViewPolicy(crop_area_min), ViewPolicy(crop_area_min, blur_p=0.1, solarize_p=0.2)


def simclr_policy(crop_area_min: float = 0.08) -> ViewPolicy:
    """Return SimCLR's views of pictures of 32 px, with which lightly's CIFAR-10 benchmark trains BYOL.

    Source: SimCLR, arXiv 2002.05709, appendix A and, for the strength of .5, B.9.
    """
    return ViewPolicy(crop_area_min, saturation=0.4, blur_p=0.5)


def camera_policy(crop_area_min: float = 0.5) -> ViewPolicy:
    """Mimic what happens to a fixed camera: small shifts, zoom, exposure, white balance.

    Mirrors, other hues and grey are left out: they would be another scene. Measured in docs/footage.md.
    """
    return ViewPolicy(
        crop_area_min,
        crop_ratio=1.1,
        flip_p=0.0,
        jitter_p=0.0,
        grey_p=0.0,
        blur_p=0.1,
        blur_sigma=(0.1, 1.0),
        gamma=2.0,
        gain=0.35,
    )


def photo_policy(crop_area_min: float = CROP_OF_PHOTO) -> ViewPolicy:
    """Mimic what differs between two photos of the same thing: framing, side, and slightly the light.

    Colour is part of the thing: a red can and a green one are different. So hue and saturation hardly change, no
    channel is scaled, and nothing turns grey. Photos may be mirrored. Crops are smaller than a camera's, since a third
    of the picture still shows a thing in its middle, and larger than the paper's .08, which often shows background
    only. Measured in docs/images.md.
    """
    return ViewPolicy(
        crop_area_min,
        brightness=0.3,
        contrast=0.3,
        saturation=0.1,
        hue=0.02,
        grey_p=0.0,
        blur_p=0.1,
        blur_sigma=(0.1, 1.0),
    )


def head_policy(views: Views) -> ViewPolicy:
    """Return how to perturb the copies that a head is fitted to: the head suppresses these changes.

    For photos, this is the framing of photos (mirrors, closer crops) with the light of cameras: `photo` views keep
    colour, but two photos of a thing are taken in different light. Measured in docs/images.md.
    """
    framed = photo_policy()
    of_photos = replace(camera_policy(framed.crop_area_min), crop_ratio=framed.crop_ratio, flip_p=framed.flip_p)
    return of_photos if views == "photo" else camera_policy()


def policies(views: Views, crop_area_min: float | None, blur: bool = True) -> tuple[ViewPolicy, ViewPolicy]:
    """Return the distributions of both views. blur: whether some views are blurred.

    views: `auto` is `camera`. crop_area_min: None for smallest_crop.
    """
    crop_area_min = smallest_crop(views) if crop_area_min is None else crop_area_min
    if views == "paper":
        one, other = paper_policies(crop_area_min)
    else:
        make = {"simclr": simclr_policy, "photo": photo_policy}.get(views, camera_policy)
        one = other = make(crop_area_min)
    return (one, other) if blur else (replace(one, blur_p=0.0), replace(other, blur_p=0.0))


def smallest_crop(views: Views) -> float:
    """Return the default of --crop-area-min: the smallest share of a picture that a view keeps."""
    return CROP_OF_PHOTO if views == "photo" else CROP


@dataclass(frozen=True)
class Draw:
    """The random parameters of one view of each image; each field has a row per image, on the CPU.

    crops: (B, 2, 3), maps from output to input coordinates. operations: (B, 4, 3, 3), colour matrices in the order
    drawn. pivots: (B, 4), the share of the mean luma that each operation adds. grey: (B, 3, 3).
    gamma: (B,). gain: (B, 3). sigma: (B,), pixels, 0 where nothing is blurred. solarized: bool (B,).
    """

    crops: Tensor
    operations: Tensor
    pivots: Tensor
    grey: Tensor
    gamma: Tensor
    gain: Tensor
    sigma: Tensor
    solarized: Tensor

    def __len__(self) -> int:
        return len(self.crops)

    def __getitem__(self, rows: slice) -> Draw:
        return Draw(*(getattr(self, field.name)[rows] for field in fields(self)))


def draw_view(count: int, policy: ViewPolicy, generator: Generator) -> Draw:
    """Draw one view of each of `count` images. generator: on the CPU."""
    crops = draw_crops(count, policy, generator)
    operations, pivots, grey = draw_colour(count, policy, generator)
    sigma = draw_blur(count, policy, generator)
    solarized = _chance(count, policy.solarize_p, generator)
    gamma, gain = draw_exposure(count, policy, generator)
    return Draw(crops, operations, pivots, grey, gamma, gain, sigma, solarized)


def make_view(frames: Tensor, draw: Draw, size_px: int) -> Tensor:
    """Make the view of each frame that was drawn.

    frames: uint8 (B, H, W, 3) on the training device.
    Returns: float32 (B, 3, size_px, size_px) in [0, 1], on the device of `frames`.
    """
    count, device = len(frames), frames.device
    images = frames.permute(0, 3, 1, 2).float() / 255  # (B, 3, H, W)
    grid = F.affine_grid(send(draw.crops, device), [count, 3, size_px, size_px], False)
    views = F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    colour = colour_maps(views.mean((2, 3)), draw)  # (B, 3, 4)
    views = torch.baddbmm(colour[:, :, 3:], colour[:, :, :3], views.flatten(2)).clamp_(0, 1).view_as(views)
    views = expose(views, draw.gamma, draw.gain)
    views = blur(views, draw.sigma)
    solarized = send(draw.solarized.nonzero()[:, 0], device)
    if len(solarized):
        part = views[solarized]
        views[solarized] = torch.where(part >= 0.5, 1 - part, part)
    return views


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy to the device without waiting for its pending work."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def draw_crops(count: int, policy: ViewPolicy, generator: Generator) -> Tensor:
    """Draw random resized crops with flips, as affine maps from output to input coordinates. Returns: (B, 2, 3)."""
    width, height = draw_rectangles(count, policy, generator)
    x = _uniform(count, -1, 1, generator) * (1 - width)  # centre, in [-1, 1] coordinates
    y = _uniform(count, -1, 1, generator) * (1 - height)
    mirror = 1 - 2 * _chance(count, policy.flip_p, generator).float()
    zero = torch.zeros(count)
    return torch.stack([torch.stack([width * mirror, zero, x], 1), torch.stack([zero, height, y], 1)], 1)


def draw_rectangles(count: int, policy: ViewPolicy, generator: Generator) -> tuple[Tensor, Tensor]:
    """Draw width and height of each crop, (B,) each, as shares of the picture's sides.

    Takes the first of CROP_TRIES draws whose sides both fit; if none does, the whole picture. Every try is drawn for
    every image, so that later draws do not depend on how many were needed.
    Source: torchvision, RandomResizedCrop.get_params, for a square picture.
    """
    shape = (CROP_TRIES, count)
    area = _uniform(shape, policy.crop_area_min, 1.0, generator)
    log_ratio = _uniform(shape, -math.log(policy.crop_ratio), math.log(policy.crop_ratio), generator)
    width, height = (area * log_ratio.exp()).sqrt(), (area / log_ratio.exp()).sqrt()  # (CROP_TRIES, B)
    fits = (width <= 1) & (height <= 1)
    first = fits.int().argmax(0, keepdim=True)  # 0 where none fits
    width, height = (torch.where(fits, side, 1.0).gather(0, first)[0] for side in (width, height))
    return width, height


def draw_colour(count: int, policy: ViewPolicy, generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Draw colour jitter in random order per image, then grey. Returns: `operations`, `pivots`, `grey` of a Draw."""
    contrast = _uniform(count, 1 - policy.contrast, 1 + policy.contrast, generator)
    operations = torch.stack(
        [
            _scale(_uniform(count, 1 - policy.brightness, 1 + policy.brightness, generator)),
            _scale(contrast),
            _towards_grey(_uniform(count, 1 - policy.saturation, 1 + policy.saturation, generator)),
            _rotate_hue(_uniform(count, -policy.hue, policy.hue, generator)),
        ],
        1,
    )  # (B, 4, 3, 3)
    order = torch.rand(count, 4, generator=generator).argsort(1)
    jittered = _chance(count, policy.jitter_p, generator)
    operations = torch.where(jittered[:, None, None, None], operations, torch.eye(3))
    operations = operations.gather(1, order[:, :, None, None].expand(-1, -1, 3, 3))
    # Contrast moves colours away from the image's mean luma: it adds (1 - contrast) * luma to each channel.
    pivots = torch.where((order == 1) & jittered[:, None], 1 - contrast[:, None], 0.0)  # (B, 4)
    return operations, pivots, _towards_grey(1 - _chance(count, policy.grey_p, generator).float())


def colour_maps(mean: Tensor, draw: Draw) -> Tensor:
    """Compose one affine map of colours for each image.

    mean: (B, 3), mean colour of each image, which contrast pivots on. Returns: (B, 3, 4), rows [matrix | offset].
    """
    count, device = len(mean), mean.device
    operations, pivots, grey = (send(one, device) for one in (draw.operations, draw.pivots, draw.grey))
    luma = send(torch.tensor(GREY), device)
    matrix, offset = torch.eye(3, device=device).expand(count, 3, 3), torch.zeros(count, 3, 1, device=device)
    for position in range(4):
        step = operations[:, position]
        mean_luma = luma @ (matrix @ mean[:, :, None] + offset)  # (B, 1)
        matrix, offset = step @ matrix, step @ offset + (pivots[:, position, None] * mean_luma)[:, :, None]
    return torch.cat([grey @ matrix, grey @ offset], 2)


def draw_exposure(count: int, policy: ViewPolicy, generator: Generator) -> tuple[Tensor, Tensor]:
    """Draw gamma, (B,), and the gain of each channel, (B, 3)."""
    gamma = _uniform(count, -math.log(policy.gamma), math.log(policy.gamma), generator).exp()
    gain = 1 + policy.gain * (2 * torch.rand(count, 3, generator=generator) - 1)
    return gamma, gain


def expose(images: Tensor, gamma: Tensor, gain: Tensor) -> Tensor:
    """Change exposure curve and white balance: gain * image ^ gamma, clipped as a sensor clips.

    images: (B, 3, S, S) in [0, 1]. gamma: (B,). gain: (B, 3), both on the CPU. Returns: the same shape, in [0, 1].
    """
    if bool((gamma == 1).all()) and bool((gain == 1).all()):
        return images
    gamma, gain = send(gamma, images.device), send(gain, images.device)
    return (images ** gamma[:, None, None, None] * gain[:, :, None, None]).clamp_(max=1)


def draw_blur(count: int, policy: ViewPolicy, generator: Generator) -> Tensor:
    """Draw the standard deviation of each image's blur, in pixels; 0 for no blur. Returns: (B,)."""
    sigma = _uniform(count, *policy.blur_sigma, generator)
    return sigma * _chance(count, policy.blur_p, generator).float()


def blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Apply a Gaussian blur, each image with its own sigma.

    images: (B, 3, S, S). sigma: (B,) on the CPU, pixels; 0 leaves an image unchanged. Returns: the same shape.
    The kernel spans a tenth of the side, as in the paper (23 of 224).
    """
    chosen = sigma.nonzero()[:, 0]
    if len(chosen) == 0:
        return images
    radius = max(1, round((images.shape[-1] * 23 / 224 - 1) / 2))
    offsets = torch.arange(-radius, radius + 1)
    kernels = torch.softmax(-(offsets**2) / (2 * sigma[chosen, None] ** 2), 1)  # (b, K), rows sum to 1
    kernels = send(kernels, images.device).repeat_interleave(3, 0)[:, None]  # (b*3, 1, K)
    index = send(chosen, images.device)
    part = images[index].flatten(0, 1)[None]  # (1, b*3, S, S)
    part = F.pad(part, (radius,) * 4, mode="reflect")
    part = F.conv2d(part, kernels[:, :, None], groups=part.shape[1])
    part = F.conv2d(part, kernels[:, :, :, None], groups=part.shape[1])
    return images.index_copy(0, index, part[0].unflatten(0, (-1, 3)))


def _uniform(shape: int | tuple[int, ...], low: float, high: float, generator: Generator) -> Tensor:
    return torch.rand(shape, generator=generator) * (high - low) + low


def _chance(count: int, p: float, generator: Generator) -> Tensor:
    return torch.rand(count, generator=generator) < p


def _scale(factor: Tensor) -> Tensor:
    return factor[:, None, None] * torch.eye(3)


def _towards_grey(keep: Tensor) -> Tensor:
    """Desaturate: keep = 1 leaves colours, 0 gives luma in every channel. Returns: (B, 3, 3)."""
    luma = torch.tensor(GREY).expand(3, 3)
    return keep[:, None, None] * torch.eye(3) + (1 - keep)[:, None, None] * luma


def _rotate_hue(turns: Tensor) -> Tensor:
    """Rotate chroma about the grey axis, in YIQ: the linear form of a shift of hue. Returns: (B, 3, 3)."""
    to_yiq = torch.tensor([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
    cos, sin = torch.cos(2 * math.pi * turns), torch.sin(2 * math.pi * turns)
    zero, one = torch.zeros_like(turns), torch.ones_like(turns)
    rows = [torch.stack([one, zero, zero], 1), torch.stack([zero, cos, -sin], 1), torch.stack([zero, sin, cos], 1)]
    return torch.linalg.inv(to_yiq) @ torch.stack(rows, 1) @ to_yiq
