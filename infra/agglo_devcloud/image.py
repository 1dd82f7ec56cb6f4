"""The guests' golden image: a minimal Debian of this machine's release, from its own package sources.

It is a squashfs; its name in the cache holds a digest of its recipe: what this module says and the files in
``image_root``.
"""

from __future__ import annotations

import hashlib
import platform
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from agglo_devcloud.errors import InstallError
from agglo_devcloud.jobs import Task
from agglo_devcloud.layout import cache

FILES = Path(__file__).parent / "image_root"
PACKAGES = (
    *("systemd", "systemd-sysv", "systemd-resolved", "dbus", "udev"),
    *("openssh-server", "sudo", "cloud-init", "python3", "python3-apt"),
    *("iproute2", "iputils-ping", "ca-certificates", "curl", "netbase", "procps", "openssl"),
    *("haproxy", "keepalived", "nginx-light", "dehydrated"),
    *("prometheus", "prometheus-alertmanager", "prometheus-node-exporter", "prometheus-blackbox-exporter"),
    *("rsyslog", "squid", "postfix", "opendkim", "opendkim-tools", "msmtp"),
)
ENABLED = ("systemd-networkd.service", "systemd-resolved.service", "ssh.service", "agglo-mounts.service")
DISABLED = (  # a playbook starts what a guest is for
    *("haproxy.service", "keepalived.service", "nginx.service"),
    *("rsyslog.service", "squid.service", "postfix.service", "opendkim.service"),
    *("prometheus.service", "prometheus-alertmanager.service", "prometheus-node-exporter.service"),
    "prometheus-blackbox-exporter.service",
)
MASKED = (
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer"),
    *("e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer"),
    *("systemd-networkd-wait-online.service", "systemd-udev-settle.service"),
    *("systemd-udevd.service", "systemd-udev-trigger.service"),  # a container's devices are the host's affair
)
_UNWANTED = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*")
_SOURCES = (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list"))


def path() -> Path:
    """Where the image for this recipe is, made or not."""
    digest = hashlib.sha256(repr(_recipe()).encode())
    for file in sorted(file for file in FILES.rglob("*") if file.is_file()):
        digest.update(str(file.relative_to(FILES)).encode() + file.read_bytes())
    return cache() / f"image-{digest.hexdigest()[:16]}.squashfs"


def ensure(task: Task) -> None:
    """Make the image if it is not there; it gets its name only when complete. Raises InstallError."""
    image = path()
    if whole(image):
        return
    root, part, log = image.with_suffix(".root"), image.with_suffix(".part"), cache() / "image.log"
    _remove(root)
    part.unlink(missing_ok=True)
    try:
        task.say("Debian packages for guests")
        task.run(bootstrap_command(root, codename(), sources()), log=log)
        task.say("settings of guests")
        _customise(task, root, log)
        task.say("packing")
        task.run(pack_command(root, part), log=log)
    finally:
        _remove(root)
    part.rename(image)


def whole(image: Path) -> bool:
    """True when the image is there and as long as its superblock says: a machine that crashed may leave it shorter.

    Source: "bytes_used", 64 bits at offset 40 of the superblock, in the kernel's documentation of squashfs.
    """
    try:
        with image.open("rb") as file:
            head = file.read(48)
        return head[:4] == b"hsqs" and image.stat().st_size >= int.from_bytes(head[40:], "little")
    except OSError:
        return False


def bootstrap_command(root: Path, release: str, source: Path) -> list[str | Path]:
    """How to make ``root``; in a mount namespace of its own, so that a kill leaves no mount behind."""
    words: list[str | Path] = ["unshare", "--mount", "--propagation=private", "mmdebstrap", "--quiet"]
    words += ["--mode=root", "--format=directory", "--variant=minbase", f"--include={','.join(PACKAGES)}"]
    words += ['--aptopt=APT::Install-Recommends "false"', '--aptopt=Acquire::Languages "none"']
    words += ["--dpkgopt=force-unsafe-io", *(f"--dpkgopt=path-exclude={pattern}" for pattern in _UNWANTED)]
    return [*words, "--dpkgopt=path-include=/usr/share/doc/*/copyright", release, root, source]


def pack_command(root: Path, target: Path) -> list[str | Path]:
    """How to make the squashfs ``target`` of ``root``."""
    compression = ["-comp", "zstd", "-Xcompression-level", "6"]
    return ["mksquashfs", root, target, "-noappend", "-quiet", "-no-progress", *compression]


def sources() -> Path:
    """This machine's own package sources for Debian. Raises InstallError when there are none."""
    for source in _SOURCES:
        if source.is_file() and re.search(r"^(deb |URIs:)", source.read_text(), re.MULTILINE):
            return source
    raise InstallError("no Debian package source in /etc/apt", hint="see man sources.list")


def codename(os_release: Path = Path("/etc/os-release")) -> str:
    """Code name of this machine's Debian. Raises InstallError when it is another system."""
    pairs = (line.partition("=") for line in os_release.read_text().splitlines())
    values = {name: value.strip('"') for name, _, value in pairs}
    if values.get("ID") != "debian" or not values.get("VERSION_CODENAME"):
        raise InstallError("this machine is no Debian: the guests' image is made from its packages")
    return values["VERSION_CODENAME"]


def _recipe() -> Sequence[object]:
    return (PACKAGES, ENABLED, DISABLED, MASKED, _UNWANTED, codename(), platform.machine())


def _customise(task: Task, root: Path, log: Path) -> None:
    shutil.copytree(FILES, root, dirs_exist_ok=True)
    for verb, units in (("enable", ENABLED), ("disable", DISABLED), ("mask", MASKED)):
        task.run(["chroot", root, "systemctl", "--quiet", verb, *units], log=log)
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()  # every guest makes its own
    (root / "etc/machine-id").write_text("")
    resolver = root / "etc/resolv.conf"
    resolver.unlink(missing_ok=True)
    resolver.symlink_to("../run/systemd/resolve/stub-resolv.conf")


def _remove(root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
