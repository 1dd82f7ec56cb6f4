"""Which devices a guest may use: those that every program expects, and its own disks; no other guest's, none of the
machine's.

With cgroup v2 the kernel asks a small BPF program of the guest's group at each ``open`` and ``mknod``; with v1 alone
its ``devices`` hierarchy holds a list. A guest's root can loosen neither: the rules are of a group above its own.
Standard library only: nova's driver uses it too.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agglo_devcloud import cgroups
from agglo_devcloud.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agglo_devcloud.layout import Layout

_BLOCK, _CHARACTER = 1, 2  # linux/bpf.h: BPF_DEVCG_DEV_*
_ALL = "a *:* rwm"  # as a v1 group that is not limited lists it


@dataclass(frozen=True)
class Rule:
    """Devices that may be used: kind, major number, minor number (None: all)."""

    kind: int
    major: int
    minor: int | None

    def __str__(self) -> str:
        """As cgroup v1 wants it.

        >>> str(Rule(_CHARACTER, 136, None))
        'c 136:* rwm'
        """
        minor = "*" if self.minor is None else self.minor
        return f"{'b' if self.kind == _BLOCK else 'c'} {self.major}:{minor} rwm"


_USUAL = (  # admin-guide/devices.txt
    *(Rule(_CHARACTER, 1, minor) for minor in (3, 5, 7, 8, 9)),  # null, zero, full, random, urandom
    *(Rule(_CHARACTER, 5, minor) for minor in (0, 1, 2)),  # tty, console, ptmx
    *(Rule(_CHARACTER, major, None) for major in range(136, 144)),  # pseudo terminals
    Rule(_CHARACTER, 10, 200),  # net/tun
    Rule(_CHARACTER, 10, 229),  # fuse
)


def limit(layout: Layout, machine: str, disks: Iterable[tuple[int, int]]) -> None:
    """Let the guest use the usual devices and its ``disks`` (major and minor number), and nothing else, from now on.

    Raises StartError when the kernel refuses.
    """
    rules = (*_USUAL, *(Rule(_BLOCK, major, minor) for major, minor in disks))
    for hierarchy in cgroups.mounted():
        group = hierarchy.group(layout, machine)
        if hierarchy.version == 2:
            _limit_v2(group, rules)
        elif hierarchy.devices:
            _limit_v1(group, rules)


def _limit_v1(group: Path, rules: Sequence[Rule]) -> None:
    """A new group has its parent's rules; all can be denied only while nothing is below it."""
    listed = set((group / "devices.list").read_text().splitlines())
    if _ALL in listed:
        (group / "devices.deny").write_text("a")
    wanted = {str(rule) for rule in rules}
    for line in listed - wanted - {_ALL}:
        (group / "devices.deny").write_text(line)  # below, too
    for line in wanted - listed:
        for directory in filter(Path.is_dir, (group, group / cgroups.INNER)):
            (directory / "devices.allow").write_text(line)
    (group / cgroups.INNER).mkdir(exist_ok=True)


def _limit_v2(group: Path, rules: Sequence[Rule]) -> None:
    """Attach the new program before the old one goes: what both allow works all the time."""
    try:
        with _opened(os.open(group, os.O_RDONLY | os.O_DIRECTORY)) as directory:
            old = _attached(directory)
            with _opened(_load(program(rules))) as loaded:
                _bpf(_PROG_ATTACH, struct.pack("=IIII", directory, loaded, _CGROUP_DEVICE, _ALLOW_MULTI))
            for identity in old:
                with _opened(_bpf(_PROG_GET_FD_BY_ID, struct.pack("=I", identity))) as stale:
                    _bpf(_PROG_DETACH, struct.pack("=III", directory, stale, _CGROUP_DEVICE))
    except OSError as error:
        hint = "the kernel needs CONFIG_CGROUP_BPF, and root the right to use bpf(2)"
        raise StartError(f"devices of guests cannot be limited: {error}", hint=hint) from error


# bpf(2), from linux/bpf.h
_PROG_LOAD, _PROG_ATTACH, _PROG_DETACH, _PROG_GET_FD_BY_ID, _PROG_QUERY = 5, 8, 9, 13, 16
_PROG_TYPE_CGROUP_DEVICE, _CGROUP_DEVICE, _ALLOW_MULTI = 15, 6, 2
_SYSCALLS = {"x86_64": 321, "aarch64": 280}
_ATTRIBUTES = 128  # octets, more than any command here uses
_MOST_PROGRAMS = 64  # of one group, a limit of the kernel
_LOAD_WORD, _AND, _MOVE, _JUMP_UNLESS, _EXIT = 0x61, 0x57, 0xB7, 0x55, 0x95  # linux/bpf_common.h, 64 bits
_KIND, _MAJOR, _MINOR = 2, 4, 5  # registers


def program(rules: Iterable[Rule]) -> bytes:
    """The BPF program that answers 1 for a device that a rule names, else 0."""
    # struct bpf_cgroup_dev_ctx, in register 1: access << 16 | kind, major, minor
    code = _step(_LOAD_WORD, _KIND, 1) + _step(_AND, _KIND, value=0xFFFF)
    code += _step(_LOAD_WORD, _MAJOR, 1, offset=4) + _step(_LOAD_WORD, _MINOR, 1, offset=8)
    for rule in rules:
        wanted = ((_KIND, rule.kind), (_MAJOR, rule.major), (_MINOR, rule.minor))
        tests = [(register, value) for register, value in wanted if value is not None]
        for left, (register, value) in zip(range(len(tests), 0, -1), tests, strict=True):
            code += _step(_JUMP_UNLESS, register, offset=left + 1, value=value)  # past the other tests and the answer
        code += _answer(1)
    return code + _answer(0)


def _answer(value: int) -> bytes:
    return _step(_MOVE, 0, value=value) + _step(_EXIT)


def _step(operation: int, register: int = 0, source: int = 0, *, offset: int = 0, value: int = 0) -> bytes:
    """One instruction: struct bpf_insn."""
    return struct.pack("=BBhi", operation, source << 4 | register, offset, value)


def _load(code: bytes) -> int:
    """The loaded program's file descriptor."""
    text, licence = ctypes.create_string_buffer(code), ctypes.create_string_buffer(b"GPL")
    count, addresses = len(code) // len(_step(0)), (ctypes.addressof(text), ctypes.addressof(licence))
    return _bpf(_PROG_LOAD, struct.pack("=IIQQ", _PROG_TYPE_CGROUP_DEVICE, count, *addresses))


def _attached(directory: int) -> list[int]:
    """Identities of the group's device programs: ours, since guests have groups below."""
    found = (ctypes.c_uint32 * _MOST_PROGRAMS)()
    asked = struct.pack("=IIIIQI", directory, _CGROUP_DEVICE, 0, 0, ctypes.addressof(found), _MOST_PROGRAMS)
    _bpf(_PROG_QUERY, asked)
    return [identity for identity in found if identity]


def _bpf(command: int, attributes: bytes) -> int:
    library = ctypes.CDLL(None, use_errno=True)
    given = ctypes.create_string_buffer(attributes, _ATTRIBUTES)
    result = int(library.syscall(_SYSCALLS[platform.machine()], command, given, _ATTRIBUTES))
    if result < 0:
        raise OSError(ctypes.get_errno(), f"bpf command {command}: {os.strerror(ctypes.get_errno())}")
    return result


@contextmanager
def _opened(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)
