"""The cloud's MariaDB: on a unix socket in its run directory, root by the kernel's word, no password, no network."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path

from agglo_devcloud import processes
from agglo_devcloud.commands import run
from agglo_devcloud.errors import StartError
from agglo_devcloud.layout import Layout

NAME = "mariadb"
OPTIONS = (
    "--user=root",
    "--skip-networking",
    "--skip-name-resolve",
    "--skip-log-bin",
    "--character-set-server=utf8mb4",
    "--max-connections=400",
    "--table-open-cache=800",
    "--performance-schema=OFF",
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=16M",
    "--innodb-log-buffer-size=4M",
    # a test bed: a crash of the machine may lose the last second, which buys half of the start's time
    "--innodb-flush-log-at-trx-commit=0",
    "--aria-pagecache-buffer-size=8M",
    "--key-buffer-size=1M",
)
INSTALL = (
    "--user=root",
    "--auth-root-authentication-method=socket",
    "--auth-root-socket-user=root",
    "--skip-test-db",
    "--innodb-log-file-size=16M",
)


def start(layout: Layout) -> bool:
    """Start on the data in the run directory and wait until it answers; False when it runs already."""
    if processes.find(layout, NAME):
        return False
    process = processes.spawn(layout, NAME, _command(layout))
    processes.wait_for(
        lambda: answers(layout.mysql_socket), "MariaDB", timeout=60, process=process, log=layout.log / f"{NAME}.out"
    )
    return True


def _command(layout: Layout) -> list[str | Path]:
    return [
        shutil.which("mariadbd") or "/usr/sbin/mariadbd",
        "--no-defaults",
        f"--datadir={layout.run / 'mysql'}",
        f"--socket={layout.mysql_socket}",
        f"--pid-file={layout.run / 'mysql.pid'}",
        f"--tmpdir={layout.run}",
        *OPTIONS,
    ]


def stop(layout: Layout) -> None:
    """End it and wait: it writes its pages back."""
    processes.stop(layout, [NAME], timeout=30)


def install(layout: Layout) -> None:
    """Make an empty data directory. Raises StartError."""
    layout.log.mkdir(parents=True, exist_ok=True)
    log = layout.log / "mariadb-install.out"
    command = ["mariadb-install-db", "--no-defaults", f"--datadir={layout.run / 'mysql'}", *INSTALL]
    with log.open("wb") as out:
        if subprocess.run(command, stdout=out, stderr=out, check=False).returncode:
            raise StartError("mariadb-install-db failed", hint=f"see {log}")


def execute(layout: Layout, sql: str) -> str:
    """Run statements as root; their output. Raises StartError."""
    return run(["mariadb", "--no-defaults", f"--socket={layout.mysql_socket}", "--user=root"], text=sql)


def answers(path: Path) -> bool:
    """True when something listens on the unix socket; OSError when not."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(2)
        client.connect(str(path))
    return True
