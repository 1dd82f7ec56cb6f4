"""Let this machine's browsers and programs trust a cloud's root certificate, and take that away again.

The certificate can vouch only for the cloud's own names (``certificates``). Programs such as curl use the system's
store; Chromium and Firefox have a database (NSS) per person.
"""

from __future__ import annotations

import pwd
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agglo_devcloud import certificates
from agglo_devcloud.commands import run
from agglo_devcloud.errors import HostError
from agglo_devcloud.layout import Layout

SYSTEM_STORE = Path("/usr/local/share/ca-certificates")
_FIRST_PERSON = 1000  # smaller user numbers are the system's own
_DATABASES = (
    ".pki/nssdb",
    ".mozilla/firefox/*",
    "snap/firefox/common/.mozilla/firefox/*",
    "snap/chromium/current/.pki/nssdb",
    ".var/app/org.mozilla.firefox/.mozilla/firefox/*",
)


@dataclass(frozen=True)
class Database:
    """A browser's certificate database; ``user`` and ``group`` own it."""

    path: Path
    user: int
    group: int


def add(layout: Layout) -> list[str]:
    """Add the cloud's root certificate everywhere; a line per place. Raises HostError, StartError."""
    root = certificates.files(layout).root
    if not root.exists():
        raise HostError(f"the cloud '{layout.name}' has no certificate yet", hint=f"agglo dev up --name {layout.name}")
    public = _system_file(layout)
    public.parent.mkdir(parents=True, exist_ok=True)
    public.write_bytes(root.read_bytes())
    public.chmod(0o644)
    run(["update-ca-certificates"])
    databases = list(find_databases(_homes()))
    for database in databases:
        _certutil(database, ["-A", "-n", _nickname(layout), "-t", "C,,", "-i", str(public)])
    return [f"trusted by the system's store ({public})", *(f"trusted by {found.path}" for found in databases)]


def remove(layout: Layout) -> list[str]:
    """Remove it from wherever it is; a line per place, none when nobody trusted it."""
    removed = []
    for database in find_databases(_homes()):
        if _certutil(database, ["-D", "-n", _nickname(layout)]):
            removed.append(f"removed from {database.path}")
    public = _system_file(layout)
    if public.exists():
        public.unlink()
        run(["update-ca-certificates"])
        removed.append(f"removed from the system's store ({public})")
    return removed


def find_databases(homes: list[pwd.struct_passwd]) -> Iterator[Database]:
    """Certificate databases of browsers below the homes of ``homes``."""
    for person in homes:
        home = Path(person.pw_dir)
        for pattern in _DATABASES:
            for path in sorted(home.glob(pattern)):
                if (path / "cert9.db").is_file():
                    yield Database(path, person.pw_uid, person.pw_gid)


def _homes() -> list[pwd.struct_passwd]:
    people = [entry for entry in pwd.getpwall() if entry.pw_uid == 0 or entry.pw_uid >= _FIRST_PERSON]
    return [entry for entry in people if Path(entry.pw_dir).is_dir() and entry.pw_dir != "/"]


def _system_file(layout: Layout) -> Path:
    return SYSTEM_STORE / f"{layout.cloud_name}.crt"


def _nickname(layout: Layout) -> str:
    return f"{layout.cloud_name} (embedded test cloud)"


def _certutil(database: Database, arguments: list[str]) -> bool:
    """Run certutil as the database's owner; False when it fails, as when there is nothing to remove."""
    if not shutil.which("certutil"):
        raise HostError("certutil is not installed (package libnss3-tools)", hint="sudo make setup")
    command = ["certutil", "-d", f"sql:{database.path}", *arguments]
    done = subprocess.run(
        command, user=database.user, group=database.group, extra_groups=[], capture_output=True, check=False
    )
    return done.returncode == 0
