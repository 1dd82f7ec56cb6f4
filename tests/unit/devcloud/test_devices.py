"""Which devices a guest may use, as a BPF program (cgroup v2) and as a list (v1)."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from agglo_devcloud import cgroups, devices
from agglo_devcloud.cgroups import Hierarchy
from agglo_devcloud.devices import Rule
from agglo_devcloud.layout import Layout

BLOCK, CHARACTER = 1, 2
LAYOUT = Layout("blue", 0, Path("/nowhere"))
RULES = (Rule(CHARACTER, 1, 3), Rule(CHARACTER, 136, None), Rule(BLOCK, 7, 4))


def _run(code: bytes, kind: int, major: int, minor: int) -> int:
    """What the program answers, as the kernel would execute it."""
    context = {0: 3 << 16 | kind, 4: major, 8: minor}  # the access asked for is above the kind
    registers = [0] * 11
    steps = [struct.unpack("=BBhi", code[at : at + 8]) for at in range(0, len(code), 8)]
    at = 0
    while True:
        operation, operands, offset, value = steps[at]
        target = operands & 0xF
        at += 1
        if operation == 0x61:
            assert operands >> 4 == 1
            registers[target] = context[offset]
        elif operation == 0x57:
            registers[target] &= value
        elif operation == 0xB7:
            registers[target] = value
        elif operation == 0x55:
            at += offset if registers[target] != value else 0
        else:
            assert operation == 0x95
            return registers[0]


@pytest.mark.parametrize(
    ("device", "allowed"),
    [
        ((CHARACTER, 1, 3), 1),
        ((CHARACTER, 136, 7), 1),
        ((BLOCK, 7, 4), 1),
        ((BLOCK, 7, 5), 0),
        ((BLOCK, 1, 3), 0),
        ((CHARACTER, 7, 4), 0),
        ((CHARACTER, 1, 1), 0),
        ((BLOCK, 8, 4), 0),
    ],
)
def test_the_program_allows_what_a_rule_names_and_nothing_else(device: tuple[int, int, int], allowed: int) -> None:
    assert _run(devices.program(RULES), *device) == allowed


def test_no_rule_allows_nothing() -> None:
    assert _run(devices.program(()), CHARACTER, 1, 3) == 0


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A v1 host on which the group of the guest "guest" may use everything."""
    hierarchy = Hierarchy(tmp_path, 1, memory=False, devices=True)
    monkeypatch.setattr(cgroups, "mounted", lambda: [hierarchy])
    (entry,) = cgroups.make(LAYOUT, "guest", 512)
    made = hierarchy.group(LAYOUT, "guest")
    assert entry == made / cgroups.INNER / "cgroup.procs"
    (made / "devices.list").write_text("a *:* rwm\n")
    return made


def test_v1_denies_all_of_a_new_group_and_then_allows(group: Path) -> None:
    devices.limit(LAYOUT, "guest", [])
    assert (group / "devices.deny").read_text() == "a"
    assert (group / "devices.allow").read_text().startswith("c ")  # each rule is a write of its own
    assert list((group / cgroups.INNER).iterdir()) == []  # made last: it has what its parent has


def test_v1_changes_what_is_new_or_gone_and_tells_the_group_below_of_what_is_new(group: Path) -> None:
    usual = [str(rule) for rule in devices._USUAL]
    (group / "devices.list").write_text("\n".join([*usual, "b 7:4 rwm"]))
    (group / cgroups.INNER).mkdir()
    devices.limit(LAYOUT, "guest", [(7, 5)])
    assert (group / "devices.deny").read_text() == "b 7:4 rwm"
    for directory in (group, group / cgroups.INNER):
        assert (directory / "devices.allow").read_text() == "b 7:5 rwm"
