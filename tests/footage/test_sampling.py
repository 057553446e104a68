"""Which frames are taken, written down and read back."""

from __future__ import annotations

import pytest

from lookalike.footage.sampling import ALL, Sampling


@pytest.mark.parametrize(
    ("sampling", "written"),
    [
        (ALL, "all"),
        (Sampling(), "regions=auto"),
        (Sampling(2.0), "fps=2,regions=auto"),
        (Sampling(2.0, regions=None), "fps=2"),
        (Sampling(1 / 3, regions="motion"), f"fps={1 / 3!r},regions=motion"),
        (Sampling(keyframes=True), "keyframes"),
        (Sampling(5, scene_cuts=True, motion=0.01, dedupe=0.98), "fps=5,scene_cuts,motion=0.01,dedupe=0.98"),
    ],
)
def test_a_sampling_is_read_back_as_it_was_written(sampling: Sampling, written: str) -> None:
    assert str(sampling) == written
    assert Sampling.parse(written) == sampling


@pytest.mark.parametrize(
    ("sampling", "said"),
    [
        (Sampling(0), "--fps is 0, expected more than 0"),
        (Sampling(float("nan")), "--fps is nan"),
        (Sampling(motion=1), "--motion is 1, expected a share"),
        (Sampling(dedupe=1.1), "--dedupe is 1.1, expected a cosine"),
        (Sampling(keyframes=True, scene_cuts=True), "--keyframes leaves out what"),
        (Sampling(keyframes=True, regions="motion"), "--keyframes leaves out what"),
        (Sampling(dedupe=0.9, regions="motion"), "--dedupe stores one frame for many"),
    ],
)
def test_what_makes_no_sense_is_named(sampling: Sampling, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        sampling.check()


def test_what_is_no_sampling_is_not_read() -> None:
    with pytest.raises(ValueError, match="got 'every', expected some of fps"):
        Sampling.parse("every=3")


@pytest.mark.parametrize("given", [{"keyframes": True}, {"dedupe": 0.9}])
def test_regions_are_none_by_default_where_they_cannot_be_had(given: dict) -> None:
    sampling = Sampling(**given)
    sampling.check()
    assert sampling.regions is None


def test_what_an_earlier_version_wrote_has_no_regions() -> None:
    assert Sampling.parse("fps=2").regions is None
