"""Which embedded cloud a command is about."""

from __future__ import annotations

import os
from collections.abc import Sequence

import click

from agglo_devcloud import slots
from agglo_devcloud.errors import DevCloudError, HostError
from agglo_devcloud.layout import DEFAULT_NAME, Layout

name_option = click.option("--name", default=DEFAULT_NAME, show_default=True, help="Which embedded cloud.")


def known_cloud(name: str) -> Layout:
    """The cloud ``name``. Raises DevCloudError when there is none, HostError where only root can look at it."""
    layout = slots.find(name)
    if layout is None:
        known: Sequence[str] = [c.name for c in slots.all_clouds()]
        raise DevCloudError(
            f"there is no embedded cloud '{name}'" + (f"; there is {', '.join(known)}" if known else ""),
            hint="agglo dev up",
        )
    return readable(layout)


def readable(layout: Layout) -> Layout:
    """The same cloud. Raises HostError where only root can look at it."""
    if layout.run.exists() and not os.access(layout.run, os.R_OK | os.W_OK):
        raise HostError(f"the embedded cloud '{layout.name}' is root's", hint="the same command with sudo")
    return layout
