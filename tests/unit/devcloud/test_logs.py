"""Logs of the embedded cloud."""

from __future__ import annotations

from pathlib import Path

import pytest

from agglo_devcloud import logs
from agglo_devcloud.errors import DevCloudError
from agglo_devcloud.layout import Layout

SERVER = "0b2e1f9a-3c4d-4e5f-8a9b-1c2d3e4f5a6b"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A cloud with some logs; the name is of no real one."""
    made = Layout("unittest", 9, tmp_path)
    made.log.mkdir(parents=True)
    (made.log / "nova.log").write_text("".join(f"line {number}\n" for number in range(30)))
    (made.log / "nova.out").write_text("a traceback\n")
    (made.log / "zygote.out").write_text("")
    console = made.run / "nova" / "instances" / SERVER / "console.log"
    console.parent.mkdir(parents=True)
    console.write_text("login:\n")
    return made


def test_logs_are_listed_by_service_and_guests_come_last(layout: Layout) -> None:
    found = logs.all_(layout)
    assert [log.name for log in found] == ["nova", "agglo-unittest-0b2e1f9a"]
    assert [file.name for file in found[0].files] == ["nova.log", "nova.out"]
    assert found[1].size == 7


def test_the_last_lines_of_all_files_are_shown(layout: Layout, capfd: pytest.CaptureFixture[str]) -> None:
    assert logs.show(logs.find(layout, "nova"), 2, follow=False) == 0
    out = capfd.readouterr().out
    assert "line 27" not in out
    assert "line 28\nline 29\n" in out
    assert out.endswith("a traceback\n")


def test_following_survives_a_file_that_is_made_anew(layout: Layout) -> None:
    assert logs.command(logs.find(layout, "nova"), 5, follow=True)[:4] == ["tail", "-n", "5", "-F"]


def test_an_empty_log_and_a_wrong_name_are_told_apart(layout: Layout) -> None:
    with pytest.raises(DevCloudError, match="zygote has written nothing yet"):
        logs.find(layout, "zygote")
    with pytest.raises(DevCloudError, match="no log of 'novaa'; there is nova, agglo-unittest-0b2e1f9a"):
        logs.find(layout, "novaa")


def test_a_cloud_that_never_ran_has_no_logs(tmp_path: Path) -> None:
    assert logs.all_(Layout("unittest", 9, tmp_path / "none")) == []
