"""The entry point: the groups of commands, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence

import click

import agglo
from agglo.errors import AggloError, Exit
from agglo_cli import catalog, change, commune, dev, doctor, explain, status
from agglo_cli.session import Session
from agglo_devcloud.errors import DevCloudError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(agglo.__version__, prog_name="agglo")
@click.option("--root", metavar="FOLDER", help="The project's folder (default: AGGLO_ROOT, else upwards from here).")
@click.pass_context
def cli(context: click.Context, root: str | None) -> None:
    """One sovereign cloud on OpenStack for all the communes of a metropolis."""
    context.obj = Session(root)


for command in (
    *change.COMMANDS,
    explain.explain,
    status.status,
    catalog.catalog,
    commune.commune,
    doctor.doctor,
    dev.dev,
):
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; its exit code."""
    logging.getLogger().addHandler(logging.NullHandler())  # libraries' warnings are no answers of ours
    try:
        code = cli.main(args=arguments, standalone_mode=False)
        return code if isinstance(code, int) else Exit.DONE
    except (AggloError, DevCloudError) as error:
        _say(error.message, error.hint)
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return Exit.DONE
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        _say(error.format_message(), f"{context.command_path} --help" if context else "agglo --help")
        return Exit.USAGE
    except (click.Abort, KeyboardInterrupt):
        _say("interrupted; what was reached is recorded", "run the same command again")
        return Exit.INTERRUPTED
    except Exception as error:
        if os.environ.get("AGGLO_DEBUG"):
            raise
        _say(f"agglo has a fault: {type(error).__name__}: {error}", f"see {_keep_traceback()}, and report it")
        return Exit.FAILED


def _keep_traceback() -> str:
    with tempfile.NamedTemporaryFile("w", prefix="agglo-fault-", suffix=".txt", delete=False) as file:
        traceback.print_exc(file=file)
    return file.name


def _say(message: str, hint: str) -> None:
    click.secho("error: ", fg="red", err=True, nl=False)
    click.echo(message, err=True)
    if hint:
        click.secho(f"try:   {hint}", dim=True, err=True)
