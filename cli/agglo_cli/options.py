"""Options that several commands share."""

from __future__ import annotations

import click

LANG = click.option(
    "--lang", type=click.Choice(["fr", "en"]), default="fr", show_default=True, help="Language of the answer."
)
LANG_EN = click.option(
    "--lang", type=click.Choice(["fr", "en"]), default="en", show_default=True, help="Language of the answer."
)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
YES = click.option("--yes", is_flag=True, help="Do not ask; needed without a terminal.")
