"""Find the pinned engine and provider, or bring them.

``find`` only looks. ``ensure`` uses, in order: what ``$AGGLO_TOOLS/bin`` or PATH holds in the right version, the
cache, the official release (``tool_release``), a build from the modules in ``infra/toolchain``
(``tool_build``). Nothing is brought while a plan is applied.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agglo.adapters import tool_build, tool_release
from agglo.adapters.pins import MODULES, TOOLS, Run, Say, Tool, cache
from agglo.errors import ToolMissing

_SOURCES = (".mod", ".sum", ".go")
_TIMEOUT = 20  # seconds for a program to say its version


@dataclass(frozen=True)
class Toolchain:
    """Where the two programs are."""

    engine: Path
    provider: Path

    @property
    def path(self) -> str:
        """What PATH must begin with, so that the engine finds the provider."""
        return os.pathsep.join(dict.fromkeys([str(self.engine.parent), str(self.provider.parent)]))


def find() -> Toolchain | None:
    """The programs, from ``AGGLO_TOOLS``, PATH or the cache; None if one is missing."""
    found = [_installed(tool) for tool in TOOLS]
    return Toolchain(*[path for path in found if path]) if all(found) else None


def ensure(say: Say, run: Run | None = None) -> Toolchain:
    """The programs, brought into the cache if they are nowhere; two callers at once bring them once.

    ``say`` receives what is being done. A run that was killed is resumed. Raises ToolMissing.
    """
    if found := find():
        return found
    with _only_one(say):
        for tool in TOOLS:
            if not _installed(tool):
                _bring(tool, say, run or _run)
    found = find()
    if not found:
        raise ToolMissing("the programs that were just brought are gone", hint="run the same command again")
    _discard_build_files()
    return found


def built(tools: Sequence[Tool], say: Say) -> list[Path]:
    """Programs of the cache, built from their modules where it has none, whatever PATH holds. Raises ToolMissing.

    For programs that agglo itself never starts, such as those that the benchmarks compare it with.
    """
    with _only_one(say):
        for tool in tools:
            target = cached(tool)
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                part = _part(target)
                tool_build.build(tool, part, say, _run)
                part.rename(target)
                _discard_build_files()
    return [cached(tool) for tool in tools]


def cached(tool: Tool) -> Path:
    """Where the cache has ``tool`` in this very version, from these very modules."""
    digest = hashlib.sha256(f"{tool.name} {tool.version}\n".encode())
    for file in sorted(path for path in (MODULES / tool.name).glob("*") if path.suffix in _SOURCES):
        digest.update(file.read_bytes())
    return cache() / f"tool-{digest.hexdigest()[:16]}" / "bin" / tool.name


def _installed(tool: Tool) -> Path | None:
    own = os.environ.get("AGGLO_TOOLS")
    for place in filter(None, [own and f"{own}/bin", os.environ.get("PATH", "")]):
        command = shutil.which(tool.name, path=place)
        # The Automation API starts the engine as <root>/bin/pulumi.
        if command and Path(command).parent.name == "bin" and _version(Path(command), tool) == tool.version:
            return Path(command)
    return cached(tool) if cached(tool).exists() else None


def _version(program: Path, tool: Tool) -> str:
    environment = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        answer = subprocess.run(
            [program, tool.question],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            env=environment,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (answer.stdout or answer.stderr).strip().removeprefix("v")


def _bring(tool: Tool, say: Say, run: Run) -> None:
    target = cached(tool)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = _part(target)
    if not tool_release.download(tool, part, say):
        tool_build.build(tool, part, say, run)
    part.chmod(0o755)
    if _version(part, tool) != tool.version:
        raise ToolMissing(f"what was brought as {tool.name} is not version {tool.version}", hint=f"rm {part}")
    part.rename(target)


def _part(target: Path) -> Path:
    return target.with_name(f".{target.name}.part")


@contextmanager
def _only_one(say: Say) -> Iterator[None]:
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "tools.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another run that brings the same programs")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _discard_build_files() -> None:
    """Go's modules and build cache: 4 GB that only an interrupted build still needs."""
    shutil.rmtree(cache() / "go", ignore_errors=True)


def _run(
    argv: Sequence[str | Path], *, log: Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> None:
    with log.open("ab") as out:
        done = subprocess.run(argv, stdout=out, stderr=out, env={**os.environ, **(env or {})}, cwd=cwd, check=False)
    if done.returncode:
        raise ToolMissing(f"'{argv[0]}' failed", hint=f"see {log}; then run the same command again, it resumes")
