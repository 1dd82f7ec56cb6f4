"""What is installed for an embedded cloud: places, recipes, order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agglo_devcloud import connection, database, environment, image, install
from agglo_devcloud.errors import InstallError
from agglo_devcloud.jobs import Job, Task
from agglo_devcloud.layout import Layout
from agglo_devcloud.progress import Recorder, Silent


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AGGLO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_nothing_is_installed_in_an_empty_cache() -> None:
    assert install.installed() is None


def test_missing_parts_are_made_each_in_its_place_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def make(name: str, path: Callable[[], Path]) -> Callable[[Task], None]:
        def work(_: Task) -> None:
            made.append(name)
            path().parent.mkdir(parents=True, exist_ok=True)
            path().write_bytes(b"hsqs" + bytes(44))  # an empty squashfs

        return work

    monkeypatch.setattr(environment, "ensure", make("environment", environment.python))
    monkeypatch.setattr(image, "ensure", make("image", image.path))
    monkeypatch.setattr(install, "_build_database", make("database", lambda: install.places().database / "ibdata1"))
    beside = [Job("cloud", lambda _: made.append("cloud"), after=(install.ENVIRONMENT, install.DATABASE))]
    found = install.ensure(Recorder(), beside=beside)
    assert sorted(made) == ["cloud", "database", "environment", "image"]
    assert made.index("environment") < made.index("database") < made.index("cloud")
    assert found == install.installed()
    made.clear()
    install.ensure(Silent(), beside=beside)
    assert made == ["cloud"]


def test_an_image_that_a_crash_left_half_made_is_not_whole() -> None:
    made = image.path()
    made.parent.mkdir(parents=True)
    made.write_bytes(b"hsqs" + bytes(36) + (4096).to_bytes(8, "little"))
    assert not image.whole(made)
    made.write_bytes(made.read_bytes() + bytes(4096))
    assert image.whole(made)
    made.write_bytes(b"")
    assert not image.whole(made)


def test_more_environments_are_made_beside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "lock.txt").write_text("tempest==47.0.0\n")
    more = environment.Environment("more", "more", tmp_path / "lock.txt")
    made: list[str] = []
    monkeypatch.setattr(environment.Environment, "ensure", lambda self, task: made.append(self.name))
    monkeypatch.setattr(install, "_missing", list)
    install.ensure(Silent(), more=[more])
    assert made == ["more"]


def test_a_new_lock_is_another_environment_and_another_template(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = install.places()
    (tmp_path / "lock.txt").write_text("nova==35.0.0\n")
    monkeypatch.setattr(environment, "LOCK", tmp_path / "lock.txt")
    assert install.places().python != before.python
    assert install.places().database != before.database


def test_other_databases_are_another_template(monkeypatch: pytest.MonkeyPatch) -> None:
    before = install.places().database
    assert install.places().database == before
    monkeypatch.setattr(database, "DATABASES", (*database.DATABASES, "heat"))
    assert install.places().database != before


def test_a_requirement_is_taken_from_a_lock_with_its_hashes() -> None:
    lock = "a==1 \\\n    --hash=sha256:aa\nsetuptools==84.2.1 \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\nz==1\n"
    assert environment.locked(lock, "setuptools") == (
        "setuptools==84.2.1 \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\n"
    )
    with pytest.raises(InstallError, match="wheel is not in"):
        environment.locked(lock, "wheel")


def test_a_changed_recipe_is_another_image(monkeypatch: pytest.MonkeyPatch) -> None:
    before = image.path()
    monkeypatch.setattr(image, "PACKAGES", (*image.PACKAGES, "vim"))
    assert image.path() != before


def test_the_image_is_made_of_debian_only(tmp_path: Path) -> None:
    (tmp_path / "os-release").write_text('ID=debian\nVERSION_CODENAME="bookworm"\n')
    assert image.codename(tmp_path / "os-release") == "bookworm"
    (tmp_path / "os-release").write_text("ID=fedora\n")
    with pytest.raises(InstallError, match="no Debian"):
        image.codename(tmp_path / "os-release")


def test_agglo_finds_no_secret_in_what_is_written_for_it(tmp_path: Path) -> None:
    layout = Layout("test1", 3, tmp_path)
    connection.write(layout, install.places())
    lines = layout.connection_env.read_text().splitlines()
    names = dict(line.split("=", 1) for line in lines)
    assert names["OS_CLOUD"] == "agglo-test1"
    assert names["AGGLO_BASTION_ACCESS"] == f"127.0.0.1:{layout.port('bastion')}"
    assert names["AGGLO_VAULT_TOKEN_FILE"] == str(layout.vault_dir / "token")
    assert layout.connection_env.stat().st_mode & 0o077 == 0


def test_databases_are_copied_from_the_template_once(tmp_path: Path) -> None:
    layout = Layout("unittest", 9, tmp_path)
    template = tmp_path / "template"
    template.mkdir()
    (template / "ibdata1").write_text("a")
    (layout.run / "mysql.new").mkdir(parents=True)  # of a start that was killed
    (layout.run / "mysql.new" / "half").touch()
    assert database.unpack(layout, template)
    assert [file.name for file in (layout.run / "mysql").iterdir()] == ["ibdata1"]
    assert [path.name for path in layout.run.iterdir()] == ["mysql"]
    (template / "ibdata1").write_text("b")
    assert not database.unpack(layout, template)
    assert (layout.run / "mysql" / "ibdata1").read_text() == "a"
