"""What is generated in ``docs/``: the reference of commands, the schemas of files.

``python -m agglo_cli.reference docs`` writes them.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from agglo.published import schemas
from agglo_cli.main import cli

_HEAD = """\
# Command line

Made from the commands themselves by `make docs`; a test compares them. Answers go to stdout, progress and errors to
stderr. `--json` makes an answer machine-readable. Exit codes: 0 done or nothing to do · 1 failed · 2 usage, or wrong
files · 3 changes pending (`plan --detailed-exitcode`) · 4 refused by policy · 5 applied but not verified · 130
interrupted.
"""


def generated() -> dict[str, str]:
    """All generated files by their name below ``docs/``."""
    files = {"cli.md": _HEAD + "".join(_command(path, found) for path, found in commands(cli))}
    for name, schema in schemas().items():
        files[f"schemas/{name}.schema.json"] = json.dumps(schema, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    return files


def commands(group: click.Group, path: str = "agglo") -> Iterator[tuple[str, click.Command]]:
    """All commands below a group, with what a person types."""
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        if isinstance(found, click.Group):
            yield from commands(found, f"{path} {name}")
        elif found:
            yield f"{path} {name}", found


def _command(path: str, command: click.Command) -> str:
    context = click.Context(command, info_name=path)
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    rows = [record for param in command.get_params(context) if (record := param.get_help_record(context))]
    options = "".join(f"| `{names}` | {_cell(text)} |\n" for names, text in rows if text and "--help" not in names)
    table = f"\n| option | |\n|---|---|\n{options}" if options else ""
    return f"\n## `{path}`\n\n`{usage}`\n\n{inspect.cleandoc(command.help or '')}\n{table}"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main() -> None:
    """Write all generated files below the folder that is named."""
    for name, text in generated().items():
        path = Path(sys.argv[1]) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
