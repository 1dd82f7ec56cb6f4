"""ssh certificates of guests: signed once, kept, renewed in time, and again for a new key."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from agglo import hostcert, workflow
from agglo.plan import Action
from agglo.project import Project
from agglo.testing import FakeCloud, FakeVault, make_fakes

START = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = ("edge-1", "100.64.0.21")


def _key(server: str) -> str:
    return FakeCloud().host_keys([server], print)[server][0]


def test_a_certificate_stands_for_its_key_and_names_until_a_third_of_its_life_is_left() -> None:
    known = hostcert.read(FakeVault().sign_host(_key("s1"), NAMES))
    assert known.renew == START + timedelta(days=60)
    assert hostcert.stands(known, _key("s1"), NAMES, START)
    assert not hostcert.stands(known, _key("s1"), NAMES, START + timedelta(days=60))
    assert not hostcert.stands(known, _key("s2"), NAMES, START)
    assert not hostcert.stands(known, _key("s1"), ("edge-1",), START)
    assert not hostcert.stands(None, _key("s1"), NAMES, START)


def test_only_an_ed25519_key_is_signed_and_only_certificates_are_read() -> None:
    assert hostcert.key_to_sign(["ssh-rsa AAAA", "ssh-ed25519 BBBB"]) == "ssh-ed25519 BBBB"
    assert hostcert.key_to_sign(["ssh-rsa AAAA"]) is None
    with pytest.raises(ValueError, match="no ssh certificate"):
        hostcert.read(_key("s1"))


def test_guests_get_one_each_keep_it_and_get_another_in_time(project: Project) -> None:
    fakes = make_fakes(project)
    workflow.apply(fakes.world, "schiltigheim", lambda _: True)
    first = _certificates(fakes.records.kept.values())
    assert sorted(first) == ["bastion", "edge-1", "edge-2", "ops", "schiltigheim-portal"]
    workflow.apply(fakes.world, "schiltigheim", lambda _: True, force=True)
    assert _certificates(fakes.records.kept.values()) == first
    later = replace(fakes.world, now=lambda: START + timedelta(days=61))
    changes = {c.title: c for c in workflow.plan(later, "schiltigheim").pending}
    assert changes["67447-schiltigheim/portal"].action is Action.CONFIGURE
    assert changes["67447-schiltigheim/portal"].reason == "ssh certificates end soon: schiltigheim-portal"
    assert changes["metro"].guests == ("bastion", "edge-1", "edge-2", "ops")


def _certificates(records: object) -> dict[str, str]:
    found = {}
    for record in records:  # type: ignore[attr-defined]
        found |= {name: done.certificate.text for name, done in record.guests.items()}
    return found
