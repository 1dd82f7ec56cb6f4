"""``ssh``: a person's way to a guest, with a key of minutes."""

from __future__ import annotations

import subprocess

import click

from agglo.adapters.ssh import open_session
from agglo.adapters.vault import HvacVault
from agglo.errors import UsageError
from agglo.guest import BASTION, ways
from agglo_cli.session import Session, pass_session


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("guest")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@pass_session
def ssh(session: Session, guest: str, command: tuple[str, ...]) -> int:
    """Log in to a guest through the bastion, or run COMMAND there; exits as ssh does.

    GUEST: bastion, edge-1, ops, or an instance: schiltigheim/portal. The key is made for this login and signed by the
    Vault for minutes; guests show a certificate of the Vault's. The bastion logs who, when and where to.
    """
    guests = ways(session.project, session.records.load_all().values())
    name = guest.replace("/", "-")
    if name not in guests:
        raise UsageError(
            f"there is no guest {guest}: {', '.join(guests) or 'nothing is applied yet'}", hint="agglo status"
        )
    vault = HvacVault(session.connection)
    vault.check()
    way = [guests[BASTION], *([guests[name]] if name != BASTION else [])]
    with open_session(way, {}, session.project.metro.image.user, vault, session.connection) as folder:
        return subprocess.run(["ssh", "-F", folder / "ssh_config", name, *command], check=False).returncode
