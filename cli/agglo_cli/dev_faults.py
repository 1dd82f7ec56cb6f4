"""``dev fault``: break the embedded cloud in one way, to see what stands on it; and heal it."""

from __future__ import annotations

import click

from agglo_cli.console import answer_json, table
from agglo_cli.dev_names import known_cloud, name_option
from agglo_cli.session import Session, pass_session
from agglo_devcloud import faults, install, lifecycle
from agglo_devcloud.faults import Fault
from agglo_devcloud.layout import DEFAULT_NAME, Layout


@click.group()
def fault() -> None:
    """Break the cloud on demand, for tests: one service, disk, network or the Vault; and heal it.

    Whatever was broken is healed by `agglo dev fault heal`, and by `agglo dev up`, `down` and `reset` as well.
    """


@fault.command()
@click.argument("service")
@name_option
def stop(service: str, name: str) -> None:
    """Freeze SERVICE: it accepts connections and answers nothing."""
    layout = known_cloud(name)
    _tell(layout, faults.stop(layout, service))


@fault.command()
@click.argument("service")
@name_option
def kill(service: str, name: str) -> None:
    """End SERVICE at once, as a crash does; a compute host's switch comes back by itself within seconds."""
    layout = known_cloud(name)
    _tell(layout, faults.kill(layout, service))


@fault.command()
@click.argument("service")
@click.option(
    "--delay",
    type=click.FloatRange(min=0.05, max=600),
    default=2.0,
    show_default=True,
    help="Seconds for which it is held still each time; then it works for a tenth of a second.",
)
@name_option
def slow(service: str, delay: float, name: str) -> None:
    """Slow SERVICE down: an answer takes about the delay, or several of them."""
    layout = known_cloud(name)
    _tell(layout, faults.slow(layout, service, delay))


@fault.command()
@click.argument("data", type=click.Choice(sorted(faults.DISKS)))
@click.option("--left", type=click.IntRange(min=0, max=1024), default=1, show_default=True, help="MiB that stay free.")
@name_option
def fill(data: str, left: int, name: str) -> None:
    """Fill the disk of DATA: they move to a small disk of their own, and this machine's own disk is left alone."""
    layout = known_cloud(name)
    _tell(layout, faults.fill(layout, data, left * faults.MIB))


@fault.command()
@click.argument("network")
@name_option
def cut(network: str, name: str) -> None:
    """Unplug NETWORK: public (the outside), compute-1 or compute-2 (all of the host's), or one of the host's two.

    These are compute-1-underlay (its tunnels to the other host), compute-1-provider (to the outside and VLANs), and the
    same for compute-2.
    """
    layout = known_cloud(name)
    _tell(layout, faults.cut(layout, network))


@fault.command()
@name_option
def seal(name: str) -> None:
    """Seal the Vault: it runs and gives nothing away."""
    layout = known_cloud(name)
    _tell(layout, faults.seal(layout, install.places().bao))


@fault.command("list")
@name_option
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def list_(name: str, as_json: bool) -> None:
    """List what is broken now."""
    found = faults.current(known_cloud(name))
    if as_json:
        answer_json(
            [{"name": known.name, "kind": known.kind, "target": known.target, "note": known.note} for known in found]
        )
    elif found:
        table(("fault", "note"), [(known.name, known.note) for known in found])
    else:
        click.echo("There is no fault.")


@fault.command()
@click.argument("faults_", metavar="[FAULT]...", nargs=-1)
@name_option
@pass_session
def heal(session: Session, faults_: tuple[str, ...], name: str) -> None:
    """Heal each FAULT of `agglo dev fault list`, or all of them; what was killed or sealed is started again."""
    layout = known_cloud(name)
    wanted = [faults.find(layout, word) for word in faults_] or faults.current(layout)
    if not wanted:
        click.echo("There is no fault.")
        return
    with session.voice.live("healing"):
        lifecycle.heal(layout, install.places(), wanted, session.voice)
    click.echo(f"Healed: {', '.join(known.name for known in wanted)}.")


def _tell(layout: Layout, made: Fault) -> None:
    other = "" if layout.name == DEFAULT_NAME else f" --name {layout.name}"
    click.echo(f"{made.name}: {made.note}. To heal it: agglo dev fault heal {made.name}{other}")
