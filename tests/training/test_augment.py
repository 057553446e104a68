"""Views whose every pixel, or whose distribution, can be worked out."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Generator, Tensor
from torchvision.transforms import RandomResizedCrop

from training import augment
from training.augment import (
    ViewPolicy,
    blur,
    camera_policy,
    colour_maps,
    draw_blur,
    draw_crops,
    draw_exposure,
    draw_rectangles,
    draw_view,
    expose,
    head_policy,
    make_view,
    paper_policies,
    photo_policy,
    policies,
    simclr_policy,
)

STILL = ViewPolicy(
    crop_area_min=1.0,
    crop_ratio=1.0,
    flip_p=0.0,
    jitter_p=0.0,
    brightness=0.4,
    contrast=0.4,
    saturation=0.2,
    hue=0.1,
    grey_p=0.0,
    blur_p=0.0,
    blur_sigma=(0.1, 2.0),
    solarize_p=0.0,
    gamma=1.0,
    gain=0.0,
)
JITTER = replace(STILL, jitter_p=1.0)
LUMA = torch.tensor([0.299, 0.587, 0.114])  # ITU-R BT.601


def seeded(seed: int = 0) -> Generator:
    return torch.Generator().manual_seed(seed)


def noise(count: int, side_px: int) -> Tensor:
    """uint8 (count, side_px, side_px, 3)."""
    return torch.randint(0, 256, (count, side_px, side_px, 3), dtype=torch.uint8, generator=seeded(99))


def as_images(frames: Tensor) -> Tensor:
    return frames.permute(0, 3, 1, 2).float() / 255


def view_of(frames: Tensor, policy: ViewPolicy, size_px: int, generator: Generator) -> Tensor:
    return make_view(frames, draw_view(len(frames), policy, generator), size_px)


def colours_of(mean: Tensor, policy: ViewPolicy, generator: Generator) -> Tensor:
    return colour_maps(mean, draw_view(len(mean), policy, generator))


def assert_share(drawn: Tensor, p: float) -> None:
    """Within five standard deviations of a binomial."""
    assert abs(drawn.float().mean().item() - p) < 5 * math.sqrt(p * (1 - p) / len(drawn))


def test_a_policy_that_does_nothing_gives_the_picture_itself() -> None:
    frames = noise(3, 16)
    view = view_of(frames, STILL, 16, seeded())
    assert (view.dtype, view.shape) == (torch.float32, (3, 3, 16, 16))
    assert torch.allclose(view, as_images(frames), atol=1e-5)


def test_a_view_of_half_the_side_averages_blocks_of_two_by_two() -> None:
    """The centre of each output pixel is the corner where four input pixels meet."""
    frames = noise(2, 16)
    expected = as_images(frames).unflatten(3, (8, 2)).unflatten(2, (8, 2)).mean((3, 5))
    assert torch.allclose(view_of(frames, STILL, 8, seeded()), expected, atol=1e-5)


def test_a_certain_flip_mirrors_left_and_right() -> None:
    frames = noise(3, 16)
    view = view_of(frames, replace(STILL, flip_p=1.0), 16, seeded())
    assert torch.allclose(view, as_images(frames).flip(3), atol=1e-5)


def test_a_certain_solarisation_turns_over_the_bright_half() -> None:
    frames = torch.tensor([0, 127, 128, 255], dtype=torch.uint8).repeat_interleave(3).view(1, 2, 2, 3)
    view = view_of(frames, replace(STILL, solarize_p=1.0), 2, seeded())
    expected = torch.tensor([[0, 127], [127, 0]]) / 255  # 128 -> 255 - 128
    assert torch.allclose(view, expected.expand(1, 3, 2, 2), atol=1e-5)


def test_a_certain_grey_gives_luma_in_every_channel() -> None:
    frames = noise(2, 16)
    view = view_of(frames, replace(STILL, grey_p=1.0), 16, seeded())
    luma = torch.einsum("c,bchw->bhw", LUMA, as_images(frames))
    assert torch.allclose(view, luma[:, None].expand(-1, 3, -1, -1), atol=1e-5)


def test_the_same_seed_gives_the_same_views_and_another_seed_others() -> None:
    frames, policy = noise(4, 16), paper_policies()[1]
    first, again, other = (view_of(frames, policy, 16, seeded(seed)) for seed in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    "change",
    [
        {"crop_area_min": 0.08},
        {"jitter_p": 1.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0},
        {"jitter_p": 1.0, "brightness": 0.0, "saturation": 0.0, "hue": 0.0},
        {"jitter_p": 1.0, "brightness": 0.0, "contrast": 0.0, "hue": 0.0},
        {"jitter_p": 1.0, "brightness": 0.0, "contrast": 0.0, "saturation": 0.0},
        {"blur_p": 1.0},
    ],
    ids="crop brightness contrast saturation hue blur".split(),
)
def test_equal_frames_of_a_batch_get_parameters_of_their_own(change: dict) -> None:
    frames = noise(1, 16).expand(6, -1, -1, -1)
    views = view_of(frames, replace(STILL, **change), 16, seeded())
    assert torch.pdist(views.flatten(1)).min() > 1e-3


@pytest.mark.parametrize("policy", paper_policies(0.08), ids=["T", "T'"])
def test_views_stay_within_zero_and_one(policy: ViewPolicy) -> None:
    frames = noise(64, 37)
    views = view_of(frames, policy, 32, seeded())
    assert (views.dtype, views.shape) == (torch.float32, (64, 3, 32, 32))
    # Contrast and brightness of up to 1.4 reach the ends and the clip stops there; blur may round by one digit.
    assert -1e-6 <= views.min() < 0.01
    assert 0.99 < views.max() <= 1 + 1e-6


def test_the_frames_are_left_as_they_were() -> None:
    frames = noise(4, 16)
    before = frames.clone()
    view_of(frames, replace(JITTER, solarize_p=1.0, blur_p=1.0), 16, seeded())
    assert torch.equal(frames, before)


def test_crops_have_the_areas_and_ratios_stated_and_lie_within_the_picture() -> None:
    maps = draw_crops(4000, replace(STILL, crop_area_min=0.1, crop_ratio=2.0), seeded())
    width, height, x, y = maps[:, 0, 0], maps[:, 1, 1], maps[:, 0, 2], maps[:, 1, 2]
    area, ratio = width * height, width / height
    assert 0.1 - 1e-6 <= area.min() < 0.11
    assert 0.99 < area.max() <= 1
    assert 0.5 - 1e-6 <= ratio.min() < 0.51
    assert 1.98 < ratio.max() <= 2 + 1e-5
    assert (x.abs() + width).max() <= 1 + 1e-6
    assert (y.abs() + height).max() <= 1 + 1e-6
    small = area < 0.3  # these can lie anywhere: their centres, as shares of the room they have, are uniform
    room = torch.stack([x / (1 - width), y / (1 - height)])[:, small]
    assert room.mean(1).abs().max() < 5 / math.sqrt(3 * int(small.sum()))
    assert room.std(1) == pytest.approx(1 / math.sqrt(3), rel=0.05)
    assert torch.all(maps[:, 0, 1] == 0)
    assert torch.all(maps[:, 1, 0] == 0)


def distance(ours: Tensor, theirs: Tensor) -> float:
    """Kolmogorov and Smirnov's: the largest difference of both distribution functions, each of its sample."""
    places = torch.cat([ours, theirs]).sort().values
    shares = [torch.searchsorted(one.sort().values, places, right=True) / len(one) for one in (ours, theirs)]
    return (shares[0] - shares[1]).abs().max().item()


@pytest.mark.parametrize(("area_min", "ratio"), [(0.08, 4 / 3), (0.6, 4 / 3), (0.2, 3.0)])
def test_rectangles_are_distributed_as_torchvisions(area_min: float, ratio: float) -> None:
    """Two samples of n from one distribution are further apart than 1.95 sqrt(2 / n) once in a thousand times.

    A rectangle that does not fit is drawn again there; one cut down to fit would be twice as far off.
    """
    count, side = 4000, 10_000
    picture = torch.empty(1).expand(3, side, side)  # only its size is looked at; so large that pixels do not count
    torch.manual_seed(0)
    drawn = [RandomResizedCrop.get_params(picture, [area_min, 1.0], [1 / ratio, ratio]) for _ in range(count)]
    their_height, their_width = (torch.tensor([one[row] for one in drawn]) / side for row in (2, 3))
    width, height = draw_rectangles(count, replace(STILL, crop_area_min=area_min, crop_ratio=ratio), seeded())
    allowed = 1.95 * math.sqrt(2 / count)
    assert distance(width, their_width) < allowed
    assert distance(height, their_height) < allowed
    area, their_area = width * height, their_width * their_height
    assert distance(area, their_area) < allowed
    error = math.hypot(area.std().item(), their_area.std().item()) / math.sqrt(count)
    assert area.mean().item() == pytest.approx(their_area.mean().item(), abs=4 * error)


def test_a_rectangle_that_never_fits_is_the_whole_picture() -> None:
    """All of the area in another ratio than the picture's: one side is always too long."""
    policy = replace(STILL, crop_area_min=1.0, crop_ratio=4 / 3)
    maps = draw_crops(500, policy, seeded())
    assert torch.equal(maps, torch.eye(2, 3).expand(500, 2, 3))
    torch.manual_seed(0)
    picture = torch.empty(1).expand(3, 10_000, 10_000)
    assert RandomResizedCrop.get_params(picture, [1.0, 1.0], [3 / 4, 4 / 3]) == (0, 0, 10_000, 10_000)


def test_how_many_tries_a_rectangle_took_does_not_change_what_is_drawn_next() -> None:
    after = [seeded(), seeded()]
    draw_rectangles(50, STILL, after[0])  # always fits
    draw_rectangles(50, replace(STILL, crop_ratio=2.0), after[1])  # hardly ever
    assert torch.equal(torch.rand(8, generator=after[0]), torch.rand(8, generator=after[1]))


def test_a_crop_shows_the_part_of_the_picture_that_its_map_states() -> None:
    """A ramp from left to right: output pixel j shows the ramp at x + width * centre(j)."""
    ramp = torch.arange(64, dtype=torch.uint8).mul(4).view(1, 1, 64, 1).expand(8, 64, 64, 3)
    policy = replace(STILL, crop_area_min=0.08, crop_ratio=4 / 3, flip_p=0.5)
    maps = draw_crops(8, policy, seeded(3))
    view = view_of(ramp, policy, 16, seeded(3))
    centres = (torch.arange(16) + 0.5) / 8 - 1  # in [-1, 1]
    place = maps[:, 0, 0, None] * centres + maps[:, 0, 2, None]  # negative widths are mirrored
    expected = ((place + 1) * 32 - 0.5) * 4 / 255
    assert torch.allclose(view[:, 0, 8], expected, atol=4 / 255)
    assert {-1.0, 1.0} == set(maps[:, 0, 0].sign().tolist())


def test_colour_is_the_operations_one_after_another_in_the_order_drawn() -> None:
    count, policy = 64, replace(STILL, jitter_p=0.8, grey_p=0.2)
    images = torch.rand(count, 3, 5, 5, generator=seeded(1))
    matrices = colours_of(images.mean((2, 3)), policy, seeded(2))
    composed = torch.baddbmm(matrices[:, :, 3:], matrices[:, :, :3], images.flatten(2)).view_as(images)

    again = seeded(2)
    draw_crops(count, policy, again)  # drawn first

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(count, generator=again) * (high - low) + low

    contrast, brightness, saturation, hue = uniform(0.6, 1.4), uniform(0.6, 1.4), uniform(0.8, 1.2), uniform(-0.1, 0.1)
    order = torch.rand(count, 4, generator=again).argsort(1)  # of brightness, contrast, saturation, hue
    jittered, grey = torch.rand(count, generator=again) < 0.8, torch.rand(count, generator=again) < 0.2
    assert len({tuple(one) for one in order.tolist()}) > 12  # of 24 orders
    for row in range(count):
        image = images[row]
        for operation in order[row].tolist() if jittered[row] else []:
            if operation == 0:
                image = image * brightness[row]
            elif operation == 1:
                pivot = luma_of(image).mean()
                image = pivot + contrast[row] * (image - pivot)
            elif operation == 2:
                image = luma_of(image) + saturation[row] * (image - luma_of(image))
            else:
                image = rotate_chroma(image, float(hue[row]))
        image = luma_of(image).expand(3, -1, -1) if grey[row] else image
        assert torch.allclose(composed[row], image, atol=1e-5), row


def luma_of(image: Tensor) -> Tensor:
    return torch.einsum("c,chw->hw", LUMA, image)[None]


def rotate_chroma(image: Tensor, turns: float) -> Tensor:
    """Turn (I, Q) by an angle and leave Y: pixel by pixel in YIQ (FCC, 1953), solved back for RGB."""
    yiq = torch.tensor([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
    y, i, q = (yiq @ image.flatten(1)).unbind()
    angle = 2 * math.pi * turns
    turned = torch.stack([y, math.cos(angle) * i - math.sin(angle) * q, math.sin(angle) * i + math.cos(angle) * q])
    return torch.linalg.solve(yiq, turned).view_as(image)


def test_half_a_turn_of_hue_mirrors_a_colour_at_its_luma_and_a_full_turn_is_nothing() -> None:
    half, full = augment._rotate_hue(torch.tensor([0.5, 1.0]))
    red = torch.tensor([1.0, 0.0, 0.0])
    assert torch.allclose(half @ red, 2 * 0.299 - red, atol=1e-5)  # chroma changes sign: luma - (red - luma)
    assert torch.allclose(full, torch.eye(3), atol=1e-5)


def test_any_turn_of_hue_keeps_luma_and_greys() -> None:
    turns = augment._rotate_hue(torch.linspace(-0.5, 0.5, 21))
    colours = torch.rand(3, 50, generator=seeded())
    assert torch.allclose(LUMA @ (turns @ colours), (LUMA @ colours).expand(21, -1), atol=1e-5)
    assert torch.allclose(turns @ torch.ones(3), torch.ones(21, 3), atol=1e-5)


def test_a_third_of_a_turn_takes_red_towards_another_primary() -> None:
    """Two shifts, one to each side, must differ: a rotation and not a scaling of chroma."""
    ahead, back = augment._rotate_hue(torch.tensor([1 / 3, -1 / 3])) @ torch.tensor([1.0, 0.0, 0.0])
    assert {int(ahead.argmax()), int(back.argmax())} == {1, 2}


def test_contrast_leaves_the_mean_luma_where_it_was() -> None:
    policy = replace(JITTER, brightness=0.0, saturation=0.0, hue=0.0)
    images = torch.rand(32, 3, 4, 4, generator=seeded())
    matrices = colours_of(images.mean((2, 3)), policy, seeded(1))
    changed = torch.baddbmm(matrices[:, :, 3:], matrices[:, :, :3], images.flatten(2))
    assert torch.allclose((LUMA @ changed).mean(1), (LUMA @ images.flatten(2)).mean(1), atol=1e-5)
    factors = matrices[:, 0, 0]
    assert torch.allclose(changed.std((1, 2)) / images.std((1, 2, 3)), factors, atol=0.05)
    assert 0.6 <= factors.min() < 0.7
    assert 1.3 < factors.max() <= 1.4


def test_a_blurred_impulse_is_the_gaussian_itself() -> None:
    """32 px make 3 taps: exp(-d^2 / 2 sigma^2) over its sum, along each axis. Each image has its own sigma."""
    sigma = torch.tensor([0.5, 1.0, 2.0])
    images = torch.zeros(3, 3, 32, 32)
    images[:, :, 16, 16] = 1
    blurred = blur(images, sigma)
    for row, spread in enumerate([0.5, 1.0, 2.0]):
        side = math.exp(-1 / (2 * spread**2))
        total = 1 + 2 * side
        expected = {(0, 0): 1, (0, 1): side, (1, 0): side, (-1, 0): side, (1, 1): side**2, (0, 2): 0}
        for (down, right), weight in expected.items():
            for channel in range(3):
                found = blurred[row, channel, 16 + down, 16 + right].item()
                assert found == pytest.approx(weight / total**2, abs=1e-6)


def test_at_the_papers_size_the_kernel_has_the_papers_23_taps() -> None:
    images = torch.zeros(1, 3, 224, 224)
    images[:, :, 112, 112] = 1
    lit = blur(images, torch.tensor([2.0]))[0, 0]
    assert int((lit[112] > 0).sum()) == int((lit[:, 112] > 0).sum()) == 23


def test_a_sigma_of_zero_leaves_an_image_untouched() -> None:
    images = torch.rand(3, 3, 16, 16, generator=seeded())
    blurred = blur(images, torch.tensor([0.0, 1.0, 0.0]))
    assert torch.equal(blurred[[0, 2]], images[[0, 2]])
    assert not torch.allclose(blurred[1], images[1], atol=0.01)
    assert torch.equal(blur(images, torch.zeros(3)), images)


def test_blur_keeps_an_even_surface_up_to_its_border() -> None:
    assert torch.allclose(blur(torch.full((1, 3, 16, 16), 0.3), torch.tensor([2.0])), torch.tensor(0.3), atol=1e-6)


def test_the_papers_two_policies_differ_in_blur_and_solarisation_alone() -> None:
    first, second = paper_policies(0.3)
    assert (first.blur_p, first.solarize_p) == (1.0, 0.0)
    assert (second.blur_p, second.solarize_p) == (0.1, 0.2)
    assert replace(second, blur_p=1.0, solarize_p=0.0) == first
    assert (first.crop_area_min, first.flip_p, first.jitter_p, first.grey_p) == (0.3, 0.5, 0.8, 0.2)
    assert (first.brightness, first.contrast, first.saturation, first.hue) == (0.4, 0.4, 0.2, 0.1)
    assert first.blur_sigma == (0.1, 2.0)


def test_simclrs_views_are_both_of_one_policy() -> None:
    policy = simclr_policy(0.3)
    assert policies("simclr", 0.3) == (policy, policy)
    assert (policy.brightness, policy.contrast, policy.saturation, policy.hue) == (0.4, 0.4, 0.4, 0.1)
    assert (policy.crop_area_min, policy.flip_p, policy.jitter_p, policy.grey_p) == (0.3, 0.5, 0.8, 0.2)
    assert (policy.blur_p, policy.blur_sigma, policy.solarize_p) == (0.5, (0.1, 2.0), 0.0)


def test_flips_blurs_and_solarisations_happen_as_often_as_the_paper_says() -> None:
    count = 4000
    white = torch.full((count, 2, 2, 3), 255, dtype=torch.uint8)
    for policy, blurred, solarized in zip(paper_policies(), (1.0, 0.1), (0.0, 0.2), strict=True):
        sigma = draw_blur(count, policy, seeded(1))
        assert_share(draw_crops(count, policy, seeded(2))[:, 0, 0] < 0, 0.5)
        if blurred == 1:
            assert torch.all(sigma > 0)
        else:
            assert_share(sigma > 0, blurred)
        still = replace(STILL, solarize_p=policy.solarize_p)
        dark = view_of(white, still, 2, seeded(3))[:, 0, 0, 0] < 0.5
        if solarized == 0:
            assert not dark.any()
        else:
            assert_share(dark, solarized)


def test_jitter_and_grey_happen_as_often_as_the_paper_says() -> None:
    mean = torch.full((4000, 3), 0.5)
    policy = paper_policies()[0]
    plain = torch.cat([torch.eye(3), torch.zeros(3, 1)], 1)
    jittered = colours_of(mean, replace(policy, grey_p=0.0), seeded(1))
    greyed = colours_of(mean, replace(policy, jitter_p=0.0), seeded(2))
    assert_share((jittered - plain).abs().amax((1, 2)) > 1e-6, 0.8)
    assert_share((greyed - plain).abs().amax((1, 2)) > 1e-6, 0.2)


def test_blurs_spread_over_the_range_of_sigmas() -> None:
    sigma = draw_blur(4000, replace(STILL, blur_p=1.0), seeded())
    assert 0.1 <= sigma.min() < 0.12
    assert 1.98 < sigma.max() <= 2.0
    assert sigma.mean().item() == pytest.approx(1.05, abs=5 * 1.9 / math.sqrt(12 * 4000))  # of a uniform draw


def test_an_exposure_is_gain_times_the_power_of_gamma_and_clips() -> None:
    """.25 ^ 2 = .0625, doubled .125; .81 ^ .5 = .9, doubled 1.8, clipped to 1; a gain of its own for each channel."""
    images = torch.tensor([0.25, 0.81]).view(2, 1, 1, 1).expand(2, 3, 1, 1)
    gain = torch.tensor([[1.0, 2.0, 4.0], [1.0, 2.0, 0.5]])
    found = expose(images, torch.tensor([2.0, 0.5]), gain)
    assert torch.allclose(found[..., 0, 0], torch.tensor([[0.0625, 0.125, 0.25], [0.9, 1.0, 0.45]]), atol=1e-6)


def test_exposures_spread_evenly_in_the_logarithm_of_gamma_and_around_a_gain_of_one() -> None:
    gamma, gain = draw_exposure(4000, replace(STILL, gamma=2.0, gain=0.3), seeded())
    assert 0.5 <= gamma.min() < 0.51
    assert 1.97 < gamma.max() <= 2.0
    assert gamma.log().mean().item() == pytest.approx(0, abs=5 * 2 * math.log(2) / math.sqrt(12 * 4000))
    assert 0.7 <= gain.min() < 0.71
    assert 1.29 < gain.max() <= 1.3
    assert (gain[:, 0] - gain[:, 1]).abs().max() > 0.5  # each channel by itself


def test_without_a_range_of_exposures_a_view_keeps_its_light() -> None:
    frames = noise(3, 8)
    assert torch.allclose(view_of(frames, STILL, 8, seeded()), as_images(frames), atol=1e-6)


def test_two_photos_of_a_thing_have_its_colour_and_either_side() -> None:
    """The hue turns by a fiftieth at most, 7 degrees, so red stays red. Half of the views are mirrored; each keeps at
    least .3 of the picture."""
    policy = photo_policy()
    assert policies("photo", None) == (policy, policy) == policies("photo", 0.3)
    assert (policy.grey_p, policy.solarize_p, policy.gamma, policy.gain) == (0, 0, 1, 0)
    crops = draw_crops(4000, policy, seeded())  # (B, 2, 3)
    assert (crops[:, 0, 0] < 0).float().mean().item() == pytest.approx(0.5, abs=5 * 0.5 / math.sqrt(4000))
    area = crops[:, 0, 0].abs() * crops[:, 1, 1]
    assert 0.3 <= area.min() < 0.31
    red = torch.zeros(500, 8, 8, 3, dtype=torch.uint8)
    red[..., 0] = 180
    views = view_of(red, policy, 8, seeded()).mean((2, 3))  # (500, 3)
    assert torch.all(views[:, 0] > 3 * views[:, 1:].amax(1))


def test_a_head_for_photos_weighs_down_a_photos_framing_in_a_cameras_light() -> None:
    photo, camera = photo_policy(), camera_policy()
    found = head_policy("photo")
    assert [(one.crop_area_min, one.crop_ratio, one.flip_p) for one in (found, photo)] == [(0.3, 4 / 3, 0.5)] * 2
    assert (found.gamma, found.gain, found.jitter_p) == (camera.gamma, camera.gain, 0)
    assert head_policy("camera") == head_policy("auto") == head_policy("paper") == camera


def test_where_nothing_is_said_views_are_a_cameras_and_keep_half_of_the_picture() -> None:
    assert policies("auto", None) == policies("camera", None) == (camera_policy(0.5), camera_policy(0.5))
    assert policies("simclr", None) == (simclr_policy(0.5), simclr_policy(0.5))


def test_a_camera_is_nudged_and_exposed_anew_but_shows_the_same_side_and_hue() -> None:
    """A grey picture stays grey but for the gain of each channel, and left stays left in every view."""
    policy = camera_policy(0.5)
    assert policies("camera", 0.5) == (policy, policy)
    assert policies("paper", 0.5) == paper_policies(0.5)
    for views in ("camera", "photo", "paper", "simclr"):
        assert [one.blur_p for one in policies(views, 0.5, blur=False)] == [0, 0]
    assert torch.all(draw_crops(1000, policy, seeded())[:, 0, 0] > 0)
    maps = colours_of(torch.full((1000, 3), 0.5), policy, seeded())
    assert torch.allclose(maps, torch.cat([torch.eye(3), torch.zeros(3, 1)], 1), atol=1e-6)
    left_dark = torch.zeros(200, 16, 16, 3, dtype=torch.uint8)
    left_dark[:, :, 8:] = 255
    views = view_of(left_dark, policy, 16, seeded())
    assert torch.all(views[..., 0].mean((1, 2)) < views[..., -1].mean((1, 2)))
