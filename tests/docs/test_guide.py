"""What executes the guides: blocks become steps, a guide that is not as the program is fails with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.guide import GuideError, Step, follow, parse

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}


def block(language: str, text: str, *marks: str, file: str = "") -> str:
    above = f"`{file}`:\n\n" if file else ""
    return above + "".join(f"<!-- {mark} -->\n" for mark in marks) + f"```{language}\n{text}\n```\n\n"


def guide(folder: Path, *blocks: str) -> Path:
    path = folder / "guide.md"
    path.write_text("# A guide\n\n" + "".join(blocks))
    return path


def test_blocks_become_steps() -> None:
    text = block("sh", "cat x", "exit: 1", "cloud") + block("text", "one") + block("yaml", "a: 1", file="x.yaml")
    assert parse(text) == [
        Step(3, "run", "cat x\n", output="one\n", exit=1, cloud=True),
        Step(13, "file", "a: 1\n", path="x.yaml"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        block("yaml", "a: 1"),
        block("text", "one"),
        block("yaml", "a: 1", "shown"),
        block("yaml", "a: 1", "shwon", file="x"),
        block("yaml", "a: 1", "exit: 1", file="x"),
        block("sh", "true") + "Something else.\n\n" + block("text", "one"),
        "<!-- cloud -->\nSomething else.\n\n" + block("sh", "true"),
        "`x`:\n\nSomething else.\n\n" + block("sh", "true"),
    ],
)
def test_a_block_that_is_not_tried_is_an_error(text: str) -> None:
    with pytest.raises(GuideError, match="line"):
        parse(text)


def test_files_are_written_changed_and_shown(tmp_path: Path) -> None:
    done = follow(
        guide(
            tmp_path,
            block("text", "one: 1\n\nthree", file="a/x"),
            block("diff", " one…\n\n+two\n-three\n+drei", file="a/x"),
            block("text", "one…\nd…", "shown", file="a/x"),
            block("sh", "cat a/x; echo; echo 'a    b' >&2"),
            block("text", "one: 1\n…\na b"),
        ),
        tmp_path,
        ENVIRONMENT,
    )
    assert (tmp_path / "a/x").read_text() == "one: 1\n\ntwo\ndrei\n"
    assert len(done) == 4


@pytest.mark.parametrize(
    ("blocks", "reason"),
    [
        ((block("sh", "false"),), "guide.md:3: exit status 1, not 0"),
        ((block("sh", "true", "exit: 1"),), "guide.md:4: exit status 0, not 1"),
        ((block("sh", "echo two; echo one"), block("text", "one\ntwo")), "not .or not here. in output"),
        ((block("text", "one", file="x"), block("text", "two", "shown", file="x")), "not .or not here. in x"),
        ((block("text", "one\none", file="x"), block("diff", "-one", file="x")), "holds this 2 times, not once"),
        ((block("text", "one", file="x"), block("diff", "one", file="x")), "no line of a diff"),
        ((block("text", "one", "shown", file="x"),), "x: No such file"),
        ((block("sh", "true", "answers: {tagline: Bonjour.}"),), "nobody asked for tagline"),
    ],
)
def test_a_guide_that_is_wrong_fails(tmp_path: Path, blocks: tuple[str, ...], reason: str) -> None:
    with pytest.raises(GuideError, match=reason):
        follow(guide(tmp_path, *blocks), tmp_path, ENVIRONMENT)


def test_what_needs_a_cloud_is_left_out_unless_told(tmp_path: Path) -> None:
    path = guide(tmp_path, block("sh", "touch there", "cloud"))
    assert follow(path, tmp_path, ENVIRONMENT) == []
    assert len(follow(path, tmp_path, ENVIRONMENT, cloud=True)) == 1
    assert (tmp_path / "there").exists()


def test_questions_are_answered_on_a_terminal(tmp_path: Path) -> None:
    ask = (
        'echo; for key in tagline theme.accent; do read -r -p "  $key [x]: " a; echo "$key is ${a:-x}"; done; test -t 0'
    )
    path = guide(
        tmp_path, block("sh", ask, "answers: {theme.accent: Bleu}"), block("text", "tagline is x\ntheme.accent is Bleu")
    )
    assert len(follow(path, tmp_path, ENVIRONMENT)) == 1
