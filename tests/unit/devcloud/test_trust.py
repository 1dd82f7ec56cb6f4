"""Trust in a cloud's root certificate, with a real certificate database of a browser."""

from __future__ import annotations

import datetime
import os
import pwd
import subprocess
from pathlib import Path

import pytest

from agglo_devcloud import certificates, trust
from agglo_devcloud.errors import HostError
from agglo_devcloud.layout import Layout


@pytest.fixture
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a Firefox profile; the system's store is a directory of the test."""
    home = tmp_path / "home"
    profile = home / ".mozilla/firefox/abc.default-esr"
    profile.mkdir(parents=True)
    (home / ".mozilla/firefox/Crash Reports").mkdir()
    subprocess.run(["certutil", "-N", "--empty-password", "-d", f"sql:{profile}"], check=True)
    entry = pwd.struct_passwd(("anne", "x", os.getuid(), os.getgid(), "", str(home), "/bin/sh"))
    monkeypatch.setattr(trust, "_homes", lambda: [entry])
    monkeypatch.setattr(trust, "SYSTEM_STORE", tmp_path / "store")
    monkeypatch.setattr(trust, "run", lambda _: "")
    return profile


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout("test1", 3, tmp_path)


def known(profile: Path) -> str:
    return subprocess.run(["certutil", "-L", "-d", f"sql:{profile}"], check=True, capture_output=True, text=True).stdout


def test_trust_is_given_and_taken_away(person: Path, layout: Layout, tmp_path: Path) -> None:
    certificates.ensure(layout, datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC))
    lines = trust.add(layout)
    assert len(lines) == 2
    assert str(person) in lines[1]
    assert "agglo-test1" in known(person)
    public = tmp_path / "store" / "agglo-test1.crt"
    assert public.read_bytes() == certificates.files(layout).root.read_bytes()
    assert len(trust.remove(layout)) == 2
    assert "agglo-test1" not in known(person)
    assert not public.exists()


def test_nothing_to_take_away(person: Path, layout: Layout) -> None:
    assert trust.remove(layout) == []


def test_a_cloud_without_certificate_is_told(person: Path, layout: Layout) -> None:
    with pytest.raises(HostError, match="no certificate yet"):
        trust.add(layout)
