"""When lines came to be, against ``git blame --first-parent`` on a repository of random edits."""

from __future__ import annotations

import random
import re
import subprocess
from pathlib import Path

import pytest

from agglo.adapters.history import read_history

NAMES = ["stacks/a.yaml", "stacks/communes/été d'Hœnheim.yaml", "stacks/b b.yaml"]


class Repository:
    """A repository whose clock moves on by an hour with each commit."""

    def __init__(self, root: Path) -> None:
        self.root, self.time = root, 1_700_000_000
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str) -> str:
        self.time += 3600
        date = f"{self.time} +0000"
        environment = {
            "PATH": "/usr/bin:/bin", "HOME": str(self.root), "GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date,
            "GIT_AUTHOR_NAME": "Camille", "GIT_AUTHOR_EMAIL": "c@example.invalid", "GIT_COMMITTER_NAME": "Camille",
            "GIT_COMMITTER_EMAIL": "c@example.invalid",
        }  # fmt: skip
        command = ["git", "-c", "core.quotePath=false", *arguments]
        return subprocess.run(
            command, cwd=self.root, env=environment, check=True, capture_output=True, text=True
        ).stdout

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "x")

    def blame(self, name: str) -> list[int | None]:
        """Commit time of each line; None where it is not committed."""
        times: dict[str, int] = {}
        lines: list[str] = []
        for line in self.git("blame", "--porcelain", "--first-parent", "--", name).split("\n"):
            if found := re.match(r"([0-9a-f]{40}) \d+ \d+", line):
                lines.append(found[1])
            elif line.startswith("committer-time "):
                times[lines[-1]] = int(line.split()[1])
        return [None if sha == "0" * 40 else times[sha] for sha in lines]

    def known(self, name: str) -> list[int | None]:
        return [int(c.at.timestamp()) if c else None for c in read_history(self.root).lines.get(name, [])]


def edit(path: Path, rng: random.Random) -> None:
    """Some lines go, some come, some change; each line is unlike all others, so that there is one way to see it."""
    lines = path.read_text().splitlines() if path.exists() else []
    for _ in range(rng.randint(1, 4)):
        at, new = rng.randint(0, len(lines)), [f"line {rng.random()}" for _ in range(rng.randint(0, 3))]
        lines[at : at + rng.randint(0, 2)] = new
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines or ["only"]))


@pytest.mark.parametrize("seed", range(6))
def test_each_line_is_dated_as_git_blame_does(tmp_path: Path, seed: int) -> None:
    rng, repository = random.Random(seed), Repository(tmp_path)
    for step in range(12):
        for name in rng.sample(NAMES, rng.randint(1, 3)):
            edit(tmp_path / name, rng)
        if step % 4 == 3:
            (tmp_path / rng.choice(NAMES)).unlink(missing_ok=True)
        repository.commit()
    for name in NAMES:
        if not (tmp_path / name).exists():
            edit(tmp_path / name, rng)
            repository.commit()
        if rng.random() < 0.5:
            edit(tmp_path / name, rng)
        assert repository.known(name) == repository.blame(name), name


def test_what_a_branch_brought_is_dated_by_its_merge(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    edit(tmp_path / NAMES[0], random.Random(1))
    repository.commit()
    repository.git("checkout", "-q", "-b", "other")
    (tmp_path / NAMES[0]).write_text((tmp_path / NAMES[0]).read_text() + "more\n")
    repository.commit()
    repository.git("checkout", "-q", "main")
    repository.git("merge", "-q", "--no-ff", "--no-edit", "other")
    assert repository.known(NAMES[0]) == repository.blame(NAMES[0])


def test_a_file_is_born_with_its_first_commit_and_again_when_it_comes_back(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    edit(tmp_path / NAMES[0], random.Random(1))
    repository.commit()
    first = read_history(tmp_path).born[NAMES[0]]
    assert first.by == "Camille"
    (tmp_path / NAMES[0]).unlink()
    repository.commit()
    assert NAMES[0] not in read_history(tmp_path).born
    edit(tmp_path / NAMES[0], random.Random(1))
    repository.commit()
    assert read_history(tmp_path).born[NAMES[0]].at > first.at


def test_a_line_beyond_the_file_and_a_file_that_is_unknown_have_no_date(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    edit(tmp_path / NAMES[0], random.Random(1))
    repository.commit()
    history = read_history(tmp_path)
    assert history.since(NAMES[0], 1)
    assert history.since(NAMES[0], 10_000) is None
    assert history.since(NAMES[0], 0) is None
    assert history.since("stacks/nothing.yaml", 1) is None


def test_without_git_nothing_is_known(tmp_path: Path) -> None:
    edit(tmp_path / NAMES[0], random.Random(1))
    assert read_history(tmp_path).lines == {}
