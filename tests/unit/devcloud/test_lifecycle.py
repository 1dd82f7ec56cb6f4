"""The parts of a cloud's life that need no cloud."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from agglo_devcloud import database, lifecycle, mariadb, processes, services
from agglo_devcloud.errors import StartError
from agglo_devcloud.install import Installed
from agglo_devcloud.layout import Layout
from agglo_devcloud.progress import Recorder


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A cloud that was never started; the name is of no real one."""
    return Layout("unittest", 9, tmp_path)


def test_a_cloud_that_is_down_has_a_status(layout: Layout) -> None:
    found = lifecycle.status(layout)
    assert not found.up
    assert found.memory == 0
    assert found.guests == ()
    assert {service.state for service in found.services} == {"absent"}
    assert {"keystone", "nova", "vault", "relay", "mariadb"} <= {service.name for service in found.services}


def test_what_died_is_told_from_what_never_was(layout: Layout) -> None:
    layout.pids.mkdir(parents=True)
    (layout.pids / "nova").write_text("1 1\n")
    states = {service.name: service.state for service in lifecycle.status(layout).services}
    assert (states["nova"], states["neutron"]) == ("dead", "absent")


def test_down_on_nothing_says_so(layout: Layout) -> None:
    assert lifecycle.down(layout, Recorder()) is False


@pytest.mark.parametrize("damage", ["pids", "etc", "nova/instances"])
def test_reset_removes_a_half_made_run_directory(layout: Layout, damage: str) -> None:
    (layout.run / damage).mkdir(parents=True)
    (layout.run / damage / "odd").write_bytes(b"\xff\x00")
    lifecycle.reset(layout, Recorder())
    assert not layout.run.exists()


def test_reset_ends_processes_that_no_file_remembers(layout: Layout) -> None:
    lost = processes.spawn(layout, "lost", ["sleep", "60"])
    (layout.pids / "lost").unlink()
    lifecycle.reset(layout, Recorder())
    assert not lost.alive()


def test_services_see_a_clean_environment_and_this_package_alone(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OS_CLOUD", "other")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    environment = services._environment(layout, Path("/opt/venv/bin/python"))
    assert not {"OS_CLOUD", "HTTPS_PROXY"} & set(environment)
    assert [path.name for path in Path(environment["PYTHONPATH"]).iterdir()] == ["agglo_devcloud"]


def test_every_database_has_its_migrations(layout: Layout) -> None:
    programs = {command[0] for commands in database.migrations(layout) for command in commands}
    assert len(programs) == len(set(database.DATABASES) - {"nova_api", "nova_cell0"})


def test_nova_finds_its_cells_by_its_own_configuration(layout: Layout) -> None:
    words = [word for commands in database.migrations(layout) for command in commands for word in command]
    assert "{scheme}://{username}@{hostname}/nova_cell0?{query}" in words
    assert "{scheme}://{username}@{hostname}/nova?{query}" in words


def test_mariadb_has_no_network(layout: Layout) -> None:
    assert "--skip-networking" in mariadb._command(layout)


def test_a_path_too_long_for_sockets_is_one_clear_error(tmp_path: Path) -> None:
    installed = Installed(python=Path("p"), bao=Path("b"), image=Path("i"), database=Path("d"))
    with pytest.raises(StartError) as raised:
        lifecycle.up(Layout("unittest", 9, tmp_path / ("x" * 90)), installed, Recorder())
    assert "too long" in raised.value.message


def test_reset_leaves_nothing_not_even_its_lock(layout: Layout) -> None:
    layout.run.mkdir()
    lifecycle.reset(layout, Recorder())
    assert list(layout.base.iterdir()) == []


def test_a_second_command_waits_for_the_first(layout: Layout) -> None:
    progress = Recorder()
    with lifecycle._alone(layout, progress):
        second = threading.Thread(target=lifecycle.down, args=(layout, progress))
        second.start()
        second.join(0.3)
        assert second.is_alive()
        assert ("cloud", "waiting for another command on this cloud") in progress.events
    second.join(20)
    assert not second.is_alive()
