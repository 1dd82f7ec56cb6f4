"""Names of flavors and properties of images as the Sovereign Cloud Stack's standards have them. Pure.

* SCS-0100 v3, flavor naming: https://docs.scs.community/standards/scs-0100-v3-flavor-naming
* SCS-0101 v1, entropy (``hw_rng:allowed``, ``hw_rng_model``): https://docs.scs.community/standards/scs-0101-v1-entropy
* SCS-0102 v1, image metadata: https://docs.scs.community/standards/scs-0102-v1-image-metadata
* SCS-0103 v1, standard flavors and their extra specs (``scs:…``): https://docs.scs.community/standards/scs-0103-v1-standard-flavors
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal, cast

Kind = Literal["L", "V", "T", "C"]

PREFIX = "SCS-"
CPU_TYPES: dict[str, Kind] = {"crowded-core": "L", "shared-core": "V", "dedicated-thread": "T", "dedicated-core": "C"}
DISK_TYPES = {"n": "network", "h": "hdd", "s": "ssd", "p": "nvme"}
_RANK = "LVTC"  # the less shared, the later
_MIB = 1024

# What a name is made of, in its order (SCS-0100 v3, "Complete Proposal for systematic flavor naming" and "Extensions").
_SYNTAX: tuple[tuple[str, str, bool], ...] = (
    ("the prefix SCS-", r"SCS-", True),
    (
        "vCPUs and their kind (L, V, T or C, then i if insecure)",
        r"(?P<cpus>[1-9]\d*)(?P<kind>[LVTC])(?P<weak>i)?",
        True,
    ),
    ("-GiB of memory (halves at most, then u without ECC, o if oversubscribed)", r"-(?P<ram>\d+(?:\.5)?)u?o?", True),
    ("-GB of disk", r"-(?:(?:(?P<disks>[1-9]\d*)x)?(?P<disk>[1-9]\d*))?(?P<media>[nhsp])?", False),
    ("a hypervisor", r"_(?:kvm|xen|vmw|hyv|bms)", False),
    ("hardware virtualisation", r"_hwv", False),
    ("a CPU", r"_[izar]\d*h{0,3}", False),
    ("a GPU", r"_[Gg](?:N[a-z]?|[AI](?:\d+(?:\.\d+)?)?)(?:-\d+)?h*", False),
    ("Infiniband", r"_ib", False),
)
_EXTENSIONS = "hypervisor, hwv, CPU, GPU, ib, in this order"
_BOUNDARY = re.compile(r"[-_]|$")


@dataclass(frozen=True)
class FlavorName:
    """What a flavor's name promises: at least so much; RAM in GiB; disk in GB (None: the name says no size).

    ``disk_type`` is empty where the name says none.
    """

    cpus: int
    kind: Kind
    insecure: bool
    ram_gib: float
    disk_gb: int | None
    disk_type: str = ""


def parse(name: str) -> FlavorName:
    """The name read as SCS-0100 v3 says. Raises ValueError that tells where it stops being one."""
    found: dict[str, str | None] = {}
    position = 0
    for what, pattern, needed in _SYNTAX:
        match = re.compile(pattern).match(name, position)
        if match and (what == _SYNTAX[0][0] or _BOUNDARY.match(name, match.end())):
            found |= match.groupdict()
            position = match.end()
        elif needed:
            raise ValueError(f"'{name}' is no SCS-0100 name: '{name[position:]}' does not begin with {what}")
    if position < len(name):
        rest = name[position:]
        what = _EXTENSIONS if rest.startswith("_") else "whole GB of disk and n, h, s or p"
        raise ValueError(f"'{name}' is no SCS-0100 name: '{rest}' is not {what}")
    disk = found.get("disk")
    return FlavorName(
        cpus=int(found["cpus"] or 0),
        kind=cast(Kind, found["kind"]),
        insecure=bool(found["weak"]),
        ram_gib=float(found["ram"] or 0),
        disk_gb=int(disk) if disk else None,
        disk_type=DISK_TYPES.get(found.get("media") or "", ""),
    )


def flavor_problems(
    name: str, vcpus: int, ram_mib: int, disk_gib: int, extra: Mapping[str, str] | None = None
) -> list[str]:
    """What is wrong with a flavor whose name begins with SCS-: its syntax, or that it gives less than it says.

    ``extra`` are its extra specs, where they are known. A flavor may be better than its name ("Naming policy
    compliance"); other names are not the standard's business.
    """
    if not name.startswith(PREFIX):
        return []
    try:
        said = parse(name)
    except ValueError as error:
        return [str(error)]
    problems = []
    if vcpus < said.cpus:
        problems.append(f"{name} has {vcpus} vCPU, its name says {said.cpus}")
    if ram_mib < said.ram_gib * _MIB:
        problems.append(f"{name} has {ram_mib} MiB of memory, its name says {said.ram_gib:g} GiB")
    if said.disk_gb and disk_gib < said.disk_gb:
        problems.append(f"{name} has {disk_gib} GiB of disk, its name says {said.disk_gb}")
    return [*problems, *(_extra_problems(name, said, extra) if extra is not None else [])]


def _extra_problems(name: str, said: FlavorName, extra: Mapping[str, str]) -> list[str]:
    problems = []
    kind = extra.get("scs:cpu-type")
    if kind is not None and _RANK.find(CPU_TYPES.get(kind, "-")) < _RANK.index(said.kind):
        problems.append(f"{name} has scs:cpu-type={kind}, its name says {said.kind}")
    if extra.get("hw_rng:allowed", "").lower() != "true":
        problems.append(f"{name} has no hw_rng:allowed=True (SCS-0101)")
    return problems


def extra_specs(name: str) -> dict[str, str]:
    """Extra specs of a flavor of that name; none where the name is not the standard's.

    A disk of which the name says no type counts as ``network``, as in the standard's own tools.
    """
    if not name.startswith(PREFIX):
        return {}
    said = parse(name)
    kinds = {letter: cpu_type for cpu_type, letter in CPU_TYPES.items()}
    disk = {"scs:disk0-type": said.disk_type or "network"} if said.disk_gb else {}
    return {"hw_rng:allowed": "True", **_names(name), "scs:cpu-type": kinds[said.kind], **disk}


def _names(name: str) -> dict[str, str]:
    """The name in the forms of the first and of the later versions of SCS-0100: SCS-1V:4:10 and SCS-1V-4-10."""
    return {"scs:name-v1": PREFIX + name.removeprefix(PREFIX).replace("-", ":"), "scs:name-v2": name}


# SCS-0103 v1, "Standard SCS flavors"
MANDATORY_FLAVORS = (
    *("SCS-1V-4", "SCS-2V-8", "SCS-4V-16", "SCS-4V-16-100s", "SCS-8V-32"),
    *("SCS-1V-2", "SCS-2V-4", "SCS-2V-4-20s", "SCS-4V-8", "SCS-8V-16", "SCS-16V-32"),
    *("SCS-1V-8", "SCS-2V-16", "SCS-4V-32", "SCS-1L-1"),
)
RECOMMENDED_FLAVORS = (
    *("SCS-1V-4-10", "SCS-2V-8-20", "SCS-4V-16-50", "SCS-8V-32-100"),
    *("SCS-1V-2-5", "SCS-2V-4-10", "SCS-4V-8-20", "SCS-8V-16-50", "SCS-16V-32-100"),
    *("SCS-1V-8-20", "SCS-2V-16-50", "SCS-4V-32-100", "SCS-1L-1-5"),
)


@dataclass(frozen=True)
class Flavor:
    """A flavor as a cloud has it; RAM in MiB, disk in GiB; ``extra`` are its extra specs."""

    name: str
    vcpus: int
    ram_mib: int
    disk_gib: int
    extra: Mapping[str, str]


def missing_flavors(flavors: Iterable[Flavor], wanted: Iterable[str] = MANDATORY_FLAVORS) -> list[str]:
    """Which of the standard flavors ``wanted`` are not there, by ``scs:name-v2`` or by their own name."""
    there = _by_standard_name(flavors)
    return [name for name in wanted if name not in there]


def standard_problems(flavors: Iterable[Flavor]) -> list[str]:
    """What is wrong with the standard flavors that are there: figures have to be those of the name exactly."""
    there = _by_standard_name(flavors)
    found = [(name, there[name]) for name in (*MANDATORY_FLAVORS, *RECOMMENDED_FLAVORS) if name in there]
    return [line for name, flavor in found for line in _standard_problems(name, flavor)]


def _by_standard_name(flavors: Iterable[Flavor]) -> dict[str, Flavor]:
    known = list(flavors)
    own = {flavor.name: flavor for flavor in known if flavor.name.startswith(PREFIX)}
    return own | {flavor.extra["scs:name-v2"]: flavor for flavor in known if "scs:name-v2" in flavor.extra}


def _standard_problems(name: str, flavor: Flavor) -> list[str]:
    said = parse(name)
    wanted: dict[str, object] = {
        "vcpus": said.cpus,
        "RAM in MiB": int(said.ram_gib * _MIB),
        "disk": said.disk_gb or 0,
        **{key: value for key, value in extra_specs(name).items() if key.startswith("scs:")},
    }
    have: dict[str, object] = {"vcpus": flavor.vcpus, "RAM in MiB": flavor.ram_mib, "disk": flavor.disk_gib}
    have |= {key: flavor.extra.get(key, "absent") for key in wanted if key.startswith("scs:")}
    if said.disk_gb and not said.disk_type and "scs:disk0-type" in flavor.extra:
        del wanted["scs:disk0-type"]  # any will do
    return [
        f"{flavor.name}: {key} is {have[key]}, SCS-0103 wants {value}"
        for key, value in wanted.items()
        if have[key] != value
    ]


MANDATORY = (
    "architecture",
    "min_disk",
    "min_ram",
    "os_distro",
    "os_version",
    "hw_disk_bus",
    "replace_frequency",
    "provided_until",
    "uuid_validity",
    "image_source",
    "image_description",
    "image_build_date",
    "image_original_user",
)
RECOMMENDED = ("os_purpose", "hw_rng_model")
_DAY = r"\d{4}-\d{2}-\d{2}"
_VALUES = {
    "architecture": "x86_64|aarch64|i686|armv7l|ppc64|ppc64le|s390x|riscv64",
    "hw_disk_bus": "scsi|virtio|ide|usb|xen|fdc|sata|nvme",
    "hw_rng_model": "virtio",
    "hypervisor_type": "hyperv|ironic|lxc|qemu|uml|vmware|xen|kvm",
    "os_purpose": "generic|minimal|k8snode|gpu|network|custom",
    "replace_frequency": "yearly|quarterly|monthly|weekly|daily|critical_bug|never",
    "provided_until": f"{_DAY}|none|notice",
    "uuid_validity": rf"none|notice|forever|last-\d+|{_DAY}",
    "hotfix_hours": r"\d+",
    "image_source": r"private|https?://\S+",
    "image_build_date": rf"{_DAY}( \d{{2}}:\d{{2}}(:\d{{2}})?)?",
    "min_disk": r"\d+",
    "min_ram": r"\d+",
}


def image_values(properties: Mapping[str, str]) -> list[str]:
    """Values that SCS-0102 v1 does not know, and days that no calendar has."""
    problems = []
    for name, value in properties.items():
        allowed = _VALUES.get(name)
        if allowed and not re.fullmatch(allowed, value):
            problems.append(f"{name}: '{value}' is not {allowed.replace(_DAY, 'YYYY-MM-DD').replace('|', ', ')}")
        elif allowed and re.match(_DAY, value) and not _is_day(value[:10]):
            problems.append(f"{name}: there is no day {value[:10]}")
    return problems


def image_problems(properties: Mapping[str, str]) -> list[str]:
    """What an image lacks of the mandatory and recommended properties of SCS-0102 v1, and what is wrong with them.

    ``min_disk`` (GiB) and ``min_ram`` (MiB) are among them, though Glance keeps them apart.
    """
    missing = [f"{name} is missing (mandatory)" for name in MANDATORY if not properties.get(name)]
    wanted = [f"{name} is missing (recommended)" for name in RECOMMENDED if not properties.get(name)]
    return [*missing, *wanted, *image_values(properties)]


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
