"""Guides as programs: the blocks of a Markdown file are steps, done in order in a copy of the project.

Every fenced block does something:

* A block of ``sh`` runs commands with bash in the project's folder. A block of ``text`` right below shows what they
  print: its lines occur in the output, in this order; runs of spaces count as one.
* A block below a line that names a file (```PATH`:``) is that file as a whole. One of ``diff`` changes the file: the
  lines that it marks with " " and "-" stand there once and together, and "+" comes in and "-" goes.
* In ``text``, in a file that is shown and in the lines that a ``diff`` looks for, ``…`` stands for anything.

HTML comments right above a block, which readers do not see, say more:

* ``<!-- cloud -->``: the commands need a cloud; ``follow`` leaves them out unless told.
* ``<!-- exit: 1 -->``: the commands end with this status.
* ``<!-- answers: {tagline: Bonjour., Pourquoi tagline: Notre nom.} -->``: the command asks on a terminal, and a person
  types this (YAML); to other questions, Enter.
* ``<!-- shown -->``: the file that is named holds these lines, in this order.

A block that is none of these is an error, so that nothing in a guide goes untried.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, cast

import click
import pexpect  # type: ignore[import-untyped]

from agglo.yaml_text import parse_yaml

Kind = Literal["run", "file", "change", "shown"]
_FENCE = re.compile(r"^```(\w*)$")
_NAME = re.compile(r"^`([^`]+)` ?:$")
_MARK = re.compile(r"^<!-- (\w+)(?:: (.*?))? -->$")
_QUESTION = re.compile(r"[\r\n](?:  ([\w.]+)(?: \[[^\r\n]*\])?: |((?:Pourquoi|Why does) [\w.]+)[^\r\n]*\? )")
_TIMEOUT = 900  # seconds for the commands of one block: an apply takes minutes


class GuideError(AssertionError):
    """A guide is not as the program is; the message begins with the guide's file and line."""


@dataclass(frozen=True)
class Step:
    """One block of a guide; ``line`` is that of its fence, ``output`` what a run is said to print."""

    line: int
    kind: Kind
    text: str
    path: str = ""
    output: str = ""
    exit: int = 0
    cloud: bool = False
    answers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Block:
    line: int
    language: str
    marks: Mapping[str, str]
    text: str
    adjoining: bool  # nothing but blank lines since the block above


def parse(text: str) -> list[Step]:
    """The steps of a guide, in order. Raises GuideError for a block that is none."""
    steps: list[Step] = []
    for block in _blocks(text):
        if block.language == "text" and block.adjoining and not block.marks and steps and steps[-1].kind == "run":
            steps[-1] = replace(steps[-1], output=block.text)
        else:
            steps.append(_step(block))
    return steps


def follow(guide: Path, root: Path, environment: Mapping[str, str], *, cloud: bool = False) -> list[Step]:
    """Do the steps of a guide in ``root``; those that need a cloud only with ``cloud``. The steps that were done.

    Raises GuideError at the first step that does not go as the guide says.
    """
    done = []
    for step in parse(guide.read_text("utf-8")):
        if step.cloud and not cloud:
            continue
        try:
            perform(step, root, environment)
        except GuideError as error:
            raise GuideError(f"{guide.name}:{step.line}: {error}") from None
        done.append(step)
    return done


def perform(step: Step, root: Path, environment: Mapping[str, str]) -> None:
    """Do one step. Raises GuideError."""
    if step.kind == "run":
        _run(step, root, environment)
    elif step.kind == "file":
        (root / step.path).parent.mkdir(parents=True, exist_ok=True)
        (root / step.path).write_text(step.text, "utf-8")
    elif step.kind == "change":
        _change(step, root)
    else:
        _expect(step.text, _read(root, step.path), step.path, str.rstrip)


def copy_project(source: Path, place: Path) -> Path:
    """The folders of the project that guides change, copied to ``place``."""
    for name in ("stacks", "catalog", "playbooks"):
        shutil.copytree(source / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    return place


def offline(root: Path, home: Path) -> dict[str, str]:
    """An environment in which ``agglo`` is this project's, works on ``root`` and knows no cloud."""
    return {
        "PATH": _path(os.defpath),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "AGGLO_ROOT": str(root),
        "AGGLO_DEV_SLOTS": str(home / "no-cloud"),
    }


def connected(root: Path, cloud: str) -> dict[str, str]:
    """This process's environment, in which ``agglo`` works on ``root`` with the embedded cloud of that name."""
    return {**os.environ, "PATH": _path(os.environ["PATH"]), "AGGLO_ROOT": str(root), "AGGLO_DEV_CLOUD": cloud}


def _path(others: str) -> str:
    return f"{Path(sys.executable).parent}{os.pathsep}{others}"


def _blocks(text: str) -> Iterator[_Block]:
    lines = text.splitlines()
    marks: dict[str, str] = {}
    number, adjoining = 0, False
    while number < len(lines):
        line = lines[number]
        if fence := _FENCE.match(line):
            end = lines.index("```", number + 1)
            yield _Block(number + 1, fence[1], marks, "".join(f"{x}\n" for x in lines[number + 1 : end]), adjoining)
            marks, number, adjoining = {}, end, True
        elif name := _NAME.match(line):
            marks["name"] = name[1]
        elif mark := _MARK.match(line):
            marks[mark[1]] = mark[2] or ""
        elif line.strip():
            if marks:
                raise GuideError(f"line {number + 1}: {', '.join(marks)} stands right above a block")
            adjoining = False
        number += 1


def _step(block: _Block) -> Step:
    marks, line = dict(block.marks), block.line
    if block.language == "sh" and marks.keys() <= {"exit", "cloud", "answers"}:
        answers = cast(dict[str, str], parse_yaml(marks.get("answers", "{}"))[0])
        code, cloud = int(marks.get("exit", "0")), "cloud" in marks
        return Step(line, "run", block.text, exit=code, cloud=cloud, answers=answers)
    if "name" in marks and marks.keys() <= {"name", "shown"}:
        whole: Kind = "change" if block.language == "diff" else "file"
        return Step(line, "shown" if "shown" in marks else whole, block.text, path=marks["name"])
    raise GuideError(f"line {line}: a block that is no step ({block.language or 'no language'}, {marks})")


def _run(step: Step, root: Path, environment: Mapping[str, str]) -> None:
    code, output = _asked(step, root, environment) if step.answers else _told(step, root, environment)
    if code != step.exit:
        raise GuideError(f"exit status {code}, not {step.exit}, of\n{step.text}\n{output}")
    _expect(step.output, output, f"output of\n{step.text}", lambda line: " ".join(line.split()))


def _told(step: Step, root: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    done = subprocess.run(
        ["bash", "-euc", step.text], cwd=root, env=dict(environment), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", timeout=_TIMEOUT, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


def _asked(step: Step, root: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    """The same on a terminal, with answers to the questions that are known."""
    child = pexpect.spawn(
        "bash", ["-euc", step.text], cwd=str(root), env=dict(environment), encoding="utf-8", timeout=60,
        dimensions=(50, 200),
    )  # fmt: skip
    answers, said = dict(step.answers), ""
    while child.expect([_QUESTION, pexpect.EOF]) == 0:
        said += f"{child.before}{child.after}"
        child.sendline(answers.pop(child.match[1] or child.match[2], ""))
    said += child.before or ""
    child.close()
    if answers:
        raise GuideError(f"nobody asked for {', '.join(answers)}:\n{said}")
    return child.exitstatus or 0, click.unstyle(said)


def _change(step: Step, root: Path) -> None:
    lines = [line if line.strip() else " " for line in step.text.splitlines()]
    if wrong := [line for line in lines if line[0] not in " +-"]:
        raise GuideError(f"no line of a diff: {wrong[0]}")
    wanted = "".join(f"\n{_pattern(line[1:])}" for line in lines if line[0] != "+")
    text = "\n" + _read(root, step.path)
    places = list(re.finditer(f"{wanted}(?=\n)", text))
    if len(places) != 1:
        raise GuideError(f"{step.path} holds this {len(places)} times, not once:\n{step.text}\nbut\n{text}")
    there, new = iter(places[0][0].splitlines()[1:]), ""
    for line in lines:
        old = "" if line[0] == "+" else next(there)
        new += {"+": f"\n{line[1:]}", "-": "", " ": f"\n{old}"}[line[0]]
    changed = text[: places[0].start()] + new + text[places[0].end() :]
    (root / step.path).write_text(changed[1:], "utf-8")


def _pattern(line: str) -> str:
    return ".*".join(map(re.escape, line.split("…")))


def _expect(wanted: str, found: str, where: str, normal: Callable[[str], str]) -> None:
    """Each line of ``wanted`` in ``found``, in order."""
    rest = iter([normal(line) for line in found.splitlines()])
    for line in filter(None, map(normal, wanted.splitlines())):
        pattern = re.compile(_pattern(line))
        if line != "…" and not any(pattern.fullmatch(there) for there in rest):
            raise GuideError(f"not (or not here) in {where}:\n{line}\n\nbut\n{found}")


def _read(root: Path, name: str) -> str:
    try:
        return (root / name).read_text("utf-8")
    except OSError as error:
        raise GuideError(f"{name}: {error.strerror}") from error
