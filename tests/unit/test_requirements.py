"""The locks: every requirement has hashes, and none names where it came from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agglo.adapters import pins

LOCKS = ("project", "devcloud", "go", "uv")


def requirements(root: Path, lock: str) -> dict[str, str]:
    """Text of each requirement of a lock by ``name==version``."""
    text = (root / "requirements" / f"{lock}.txt").read_text()
    blocks = re.findall(r"^([a-z0-9._-]+==\S+)((?:.*\\\n)+.*)", text, re.MULTILINE | re.IGNORECASE)
    return dict(blocks)


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_is_exact_and_has_hashes(root: Path, lock: str) -> None:
    text = (root / "requirements" / f"{lock}.txt").read_text()
    names = [line.split()[0] for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    found = requirements(root, lock)
    assert names
    assert sorted(names) == sorted(found)
    assert all("--hash=sha256:" in block for block in found.values())


@pytest.mark.parametrize("lock", LOCKS)
def test_no_lock_holds_an_address(root: Path, lock: str) -> None:
    text = (root / "requirements" / f"{lock}.txt").read_text()
    assert not re.search(r"://|--(extra-)?index-url|--find-links|--trusted-host", text)


def test_python_packages_and_programs_have_the_same_versions(root: Path) -> None:
    found = requirements(root, "project")
    assert f"pulumi=={pins.ENGINE_VERSION}" in found
    assert f"pulumi-openstack=={pins.PROVIDER_VERSION}" in found


def test_every_debian_package_says_why(root: Path) -> None:
    lines = (root / "requirements" / "apt.txt").read_text().splitlines()
    assert all(re.fullmatch(r"[a-z0-9.+-]+  # \S.*", line) for line in lines if not line.startswith("#"))
