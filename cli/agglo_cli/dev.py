"""``dev``: the embedded cloud, a real OpenStack on this machine for trials and tests."""

from __future__ import annotations

from dataclasses import asdict

import click

from agglo.adapters import toolchain
from agglo.errors import Exit
from agglo_cli.console import answer_json, table
from agglo_cli.dev_faults import fault
from agglo_cli.dev_names import known_cloud, name_option, readable
from agglo_cli.session import Session, pass_session
from agglo_devcloud import config, host, install, lifecycle, logs, slots, trust
from agglo_devcloud.jobs import Job, Task
from agglo_devcloud.layout import LOOPBACK
from agglo_devcloud.status import UP


@click.group()
def dev() -> None:
    """The embedded cloud: a real OpenStack on this machine, for trials and tests."""


@dev.command()
@name_option
@click.option("--region", default="", metavar="REGION", help="Start another region beside it: a cloud of its own.")
@pass_session
def up(session: Session, name: str, region: str) -> None:
    """Install what is missing and start the cloud, side by side; what runs already is left alone.

    With --region r2 it is the cloud named like the first with r2 at its end, which has a Keystone and a Vault of its
    own; clouds.yaml of both holds both. All other commands take it by its --name.
    """
    host.check(slots.propose(name, region))
    layout = slots.allot(name, region)
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
    click.echo(f"The embedded cloud '{layout.name}' {word} (cloud {layout.cloud_name} in {layout.clouds_yaml}).")


def _bring_tools(task: Task) -> None:
    toolchain.ensure(task.say, task.run)


@dev.command()
@name_option
@pass_session
def down(session: Session, name: str) -> None:
    """Stop the cloud and its guests; servers and data stay."""
    layout = known_cloud(name)
    with session.voice.live("stopping"):
        stopped = lifecycle.down(layout, session.voice)
    click.echo(f"The embedded cloud '{name}' is down." if stopped else f"The embedded cloud '{name}' was down already.")


@dev.command()
@name_option
@pass_session
def reset(session: Session, name: str) -> None:
    """Stop the cloud and remove everything of it: servers, data, state, secrets."""
    layout = readable(slots.find(name) or slots.propose(name))
    if not slots.find(name) and not lifecycle.traces(layout):  # the register may be lost where the cloud is not
        click.echo(f"There is no embedded cloud '{name}'.")
        return
    with session.voice.live("removing"):
        for line in trust.remove(layout):
            session.voice.finish("trust", line)
        lifecycle.reset(layout, session.voice)
        slots.release(layout)
        for other in slots.regions(layout):
            config.write_clouds(other)
    click.echo(f"Nothing is left of the embedded cloud '{name}'.")


@dev.command()
@name_option
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def status(name: str, as_json: bool) -> int:
    """Show the cloud's services, guests, memory, ports, and faults made on demand; 1 unless all of it is up."""
    found = lifecycle.status(known_cloud(name))
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
    named = {service.address.rpartition(":")[2] for service in found.services}
    table(
        ("port", "address"),
        [(name, f"{LOOPBACK}:{port}") for name, port in found.ports.items() if str(port) not in named],
    )
    if found.faults:
        table(("fault", "note"), [(fault.name, fault.note) for fault in found.faults])
    running = sum(service.state == UP for service in found.services)
    click.echo(
        f"{running} of {len(found.services)} services up, {len(found.guests)} guests, {_mib(found.memory)} of memory"
    )
    return Exit.DONE if found.up else Exit.FAILED


@dev.command("logs")
@click.argument("service", required=False, metavar="[SERVICE]")
@name_option
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written, until Ctrl-C.")
@click.option("-n", "--lines", type=click.IntRange(min=0), default=20, show_default=True, help="How many of the last.")
def logs_(service: str | None, name: str, follow: bool, lines: int) -> int:
    """Show the last lines of a service's logs, or of a guest's console; without SERVICE, what logs there are.

    SERVICE is a name that `agglo dev status` shows, or a guest's machine.
    """
    layout = known_cloud(name)
    if service:
        return logs.show(logs.find(layout, service), lines, follow=follow)
    table(
        ("log", "size", "written"), [(log.name, f"{log.size / 1024:.0f} KiB", log.written) for log in logs.all_(layout)]
    )
    return Exit.DONE


@dev.command("list")
def list_() -> None:
    """List the embedded clouds of this machine."""
    table(
        ("name", "region", "directory", "first port"),
        [(c.name, c.region, str(c.run), str(c.port("keystone"))) for c in slots.all_clouds()],
    )


@dev.command()
@pass_session
def tools(session: Session) -> None:
    """Find, download or build the pinned Pulumi engine and OpenStack provider."""
    with session.voice.live("tools"):
        found = toolchain.ensure(lambda text: session.voice.update("tools", text))
    click.echo(f"{found.engine}\n{found.provider}")


@dev.command()
@name_option
def env(name: str) -> None:
    """Print what to `export` so that other programs (openstack, bao) use this cloud."""
    for line in known_cloud(name).connection_env.read_text().splitlines():
        click.echo(f"export {line}")


@dev.command("trust")
@name_option
@click.option("--remove", is_flag=True, help="Take the authority away again.")
def trust_(name: str, remove: bool) -> None:
    """Let this machine's browsers and curl trust the cloud's certificates."""
    layout = known_cloud(name)
    for line in trust.remove(layout) if remove else trust.add(layout):
        click.echo(line)


dev.add_command(fault)


def _mib(size: int) -> str:
    return f"{size / 2**20:.0f} MiB" if size else ""
