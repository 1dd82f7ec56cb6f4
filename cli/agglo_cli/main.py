"""The entry point: the groups of commands, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

import click

import agglo
from agglo.errors import AggloError, Exit
from agglo_devcloud.errors import DevCloudError

_COMMANDS = {  # name: module, short help
    "plan": ("change", "Say what apply would change, and why."),
    "apply": ("change", "Bring the cloud, its guests and the edge to what the files say."),
    "drift": ("drift", "Say where the live cloud differs from what was applied."),
    "patch": ("change", "Move servers to the newest image, one after another."),
    "verify": ("change", "Run all checks again."),
    "destroy": ("change", "Destroy instances, then landing zones."),
    "status": ("status", "Show the metropolis at a glance: communes, their services, what is verified."),
    "request": ("ask", "Requests of communes for services."),
    "catalog": ("author", "Services of the shared catalogue."),
    "policy": ("policy", "Policies, what they find, and exemptions from them."),
    "explain": ("explain", "Show each value of an instance with the line that set it."),
    "specificity": ("specificity", "Show which values communes set for themselves."),
    "gdpr": ("gdpr", "Personal data: the register of processing."),
    "commune": ("join", "Communes of the metropolis."),
    "domain": ("domain", "Host names of the communes' own."),
    "ssh": ("ssh", "Log in to a guest, through the bastion."),
    "doctor": ("doctor", "Say what is there and what is missing."),
    "dev": ("dev", "The embedded cloud: a real OpenStack on this machine."),
}


class _Lazy(click.Group):
    """A group that imports a command's module when the command is asked for: --help needs none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        found = getattr(importlib.import_module(f"agglo_cli.{_COMMANDS[cmd_name][0]}"), cmd_name)
        return found if isinstance(found, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(agglo.__version__, prog_name="agglo")
@click.option("--root", metavar="FOLDER", help="The project's folder (default: AGGLO_ROOT, else upwards from here).")
@click.pass_context
def cli(context: click.Context, root: str | None) -> None:
    """One sovereign cloud on OpenStack for all the communes of a metropolis."""
    from agglo_cli.session import Session  # noqa: PLC0415  --help needs none of it

    context.obj = Session(root)


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
        _say(error.message.replace(f"{Path.cwd()}/", ""), error.hint)
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
