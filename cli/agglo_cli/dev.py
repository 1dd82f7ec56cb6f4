"""``dev``: the embedded cloud, a real OpenStack on this machine for trials and tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import click

from agglo.adapters import toolchain
from agglo.errors import Exit
from agglo_cli.console import answer_json, table
from agglo_cli.session import Session, pass_session
from agglo_devcloud import host, install, lifecycle, slots, trust
from agglo_devcloud.errors import DevCloudError
from agglo_devcloud.jobs import Job, Task
from agglo_devcloud.layout import DEFAULT_NAME, Layout

_NAME = click.option("--name", default=DEFAULT_NAME, show_default=True, help="Which embedded cloud.")


@click.group()
def dev() -> None:
    """The embedded cloud: a real OpenStack on this machine, for trials and tests."""


@dev.command()
@_NAME
@pass_session
def up(session: Session, name: str) -> None:
    """Install what is missing and start the cloud, side by side; what runs already is left alone."""
    host.check(slots.propose(name))
    layout = slots.allot(name)
    started: list[bool] = []

    def start(task: Task) -> None:
        started.append(lifecycle.up(layout, install.places(), task.progress))

    with session.voice.live("starting"):
        install.ensure(
            session.voice,
            beside=[
                Job("cloud", start, after=(install.ENVIRONMENT, install.DATABASE)),
                Job("tools", _bring_tools),
            ],
        )
    word = "is up" if any(started) else "was up already"
    click.echo(f"The embedded cloud '{name}' {word} (cloud {layout.cloud_name} in {layout.clouds_yaml}).")


def _bring_tools(task: Task) -> None:
    toolchain.ensure(task.say, task.run)


@dev.command()
@_NAME
@pass_session
def down(session: Session, name: str) -> None:
    """Stop the cloud and its guests; servers and data stay."""
    layout = _known(name)
    with session.voice.live("stopping"):
        stopped = lifecycle.down(layout, session.voice)
    click.echo(f"The embedded cloud '{name}' is down." if stopped else f"The embedded cloud '{name}' was down already.")


@dev.command()
@_NAME
@pass_session
def reset(session: Session, name: str) -> None:
    """Stop the cloud and remove everything of it: servers, data, state, secrets."""
    layout = slots.find(name)
    if layout is None:
        click.echo(f"There is no embedded cloud '{name}'.")
        return
    with session.voice.live("removing"):
        for line in trust.remove(layout):
            session.voice.finish("trust", line)
        lifecycle.reset(layout, session.voice)
        slots.release(layout)
    click.echo(f"Nothing is left of the embedded cloud '{name}'.")


@dev.command()
@_NAME
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def status(name: str, as_json: bool) -> int:
    """Show the cloud's services, guests, memory and ports."""
    found = lifecycle.status(_known(name))
    if as_json:
        answer_json({**asdict(found), "up": found.up, "memory": found.memory})
        return Exit.DONE if found.up else Exit.FAILED
    table(
        ("service", "state", "pid", "address", "memory"),
        [(s.name, s.state, str(s.pid or ""), s.address, _mib(s.memory)) for s in found.services],
    )
    table(
        ("guest", "server", "state", "memory"),
        [(g.machine, g.uuid, g.state, _mib(g.memory)) for g in found.guests],
    )
    return Exit.DONE if found.up else Exit.FAILED


@dev.command("list")
def list_() -> None:
    """List the embedded clouds of this machine."""
    table(
        ("name", "directory", "first port"),
        [(c.name, str(c.run), str(c.port("keystone"))) for c in slots.all_clouds()],
    )


@dev.command()
@pass_session
def tools(session: Session) -> None:
    """Find, download or build the pinned Pulumi engine and OpenStack provider."""
    with session.voice.live("tools"):
        found = toolchain.ensure(lambda text: session.voice.update("tools", text))
    click.echo(f"{found.engine}\n{found.provider}")


@dev.command()
@_NAME
def env(name: str) -> None:
    """Print what to `export` so that other programs (openstack, bao) use this cloud."""
    for line in _known(name).connection_env.read_text().splitlines():
        click.echo(f"export {line}")


@dev.command("trust")
@_NAME
@click.option("--remove", is_flag=True, help="Take the authority away again.")
def trust_(name: str, remove: bool) -> None:
    """Let this machine's browsers and curl trust the cloud's certificates."""
    layout = _known(name)
    for line in trust.remove(layout) if remove else trust.add(layout):
        click.echo(line)


def _known(name: str) -> Layout:
    layout = slots.find(name)
    if layout is None:
        known: Sequence[str] = [c.name for c in slots.all_clouds()]
        raise DevCloudError(
            f"there is no embedded cloud '{name}'" + (f"; there is {', '.join(known)}" if known else ""),
            hint="agglo dev up",
        )
    return layout


def _mib(size: int) -> str:
    return f"{size / 2**20:.0f} MiB" if size else ""
