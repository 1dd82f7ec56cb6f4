"""Commands on the embedded cloud that need none: what they say of a cloud that is down, and of wrong words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from agglo_cli import main as cli_main
from agglo_devcloud import slots
from agglo_devcloud.layout import Layout

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def agglo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in this process, with a register of clouds of its own: exit code, stdout, stderr."""
    monkeypatch.setenv("AGGLO_DEV_SLOTS", str(tmp_path / ".slots"))
    monkeypatch.setenv("AGGLO_DEV_HOME", str(tmp_path))

    def run(*arguments: str) -> tuple[int, str, str]:
        code = cli_main.run(("dev", *arguments))
        out, err = capfd.readouterr()
        return code, out, err

    return run


@pytest.fixture
def down(agglo: Run) -> Layout:
    """A cloud that was never started; the name is of no real one."""
    made = slots.allot("unittest")
    made.log.mkdir(parents=True)
    (made.log / "nova.log").write_text("first\nlast\n")
    return made


def test_a_cloud_that_is_not_there_is_named_with_those_that_are(agglo: Run, down: Layout) -> None:
    for words in (("status",), ("logs",), ("fault", "list"), ("fault", "stop", "nova"), ("down",)):
        code, out, err = agglo(*words, "--name", "nobody")
        assert (code, out) == (1, "")
        assert "there is no embedded cloud 'nobody'; there is unittest" in err


def test_the_status_of_a_cloud_that_is_down(agglo: Run, down: Layout) -> None:
    code, out, _ = agglo("status", "--name", "unittest")
    assert code == 1
    assert f"edge             127.0.0.1:{down.port('edge')}" in out
    assert "0 of 22 services up, 0 guests" in out
    code, out, _ = agglo("status", "--name", "unittest", "--json")
    found = json.loads(out)
    assert (code, found["up"], found["memory"], found["faults"]) == (1, False, 0, [])
    assert found["ports"]["keystone"] == down.port("keystone")


def test_logs_are_shown_and_listed(agglo: Run, down: Layout) -> None:
    assert agglo("logs", "nova", "--name", "unittest", "-n", "1")[:2] == (0, "last\n")
    assert agglo("logs", "--name", "unittest")[1].splitlines()[1].split()[:3] == ["nova", "0", "KiB"]
    code, _, err = agglo("logs", "noba", "--name", "unittest")
    assert code == 1
    assert "there is no log of 'noba'; there is nova" in err


def test_a_fault_on_a_cloud_that_is_down_is_refused(agglo: Run, down: Layout) -> None:
    code, _, err = agglo("fault", "stop", "nova", "--name", "unittest")
    assert code == 1
    assert "no service 'nova' runs" in err
    assert "the cloud is down" in err
    assert agglo("fault", "heal", "--name", "unittest")[1] == "There is no fault.\n"
    assert json.loads(agglo("fault", "list", "--name", "unittest", "--json")[1]) == []


@pytest.mark.parametrize(
    "words", [("fill", "everything"), ("fill", "objects", "--left", "-1"), ("slow", "nova", "--delay", "0")]
)
def test_wrong_words_are_a_matter_of_usage(agglo: Run, words: tuple[str, ...]) -> None:
    code, _, err = agglo("fault", *words)
    assert code == 2
    assert f"dev fault {words[0]} --help" in err
