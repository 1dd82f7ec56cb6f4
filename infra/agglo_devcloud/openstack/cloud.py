"""What the services know about the cloud that they belong to: ``cloud.json`` in its run directory."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from agglo_devcloud.layout import Layout


@dataclass(frozen=True)
class Cloud:
    """``passwords`` by user: ``admin`` and every service."""

    layout: Layout
    region: str
    passwords: dict[str, str]

    def config(self, path: str) -> str:
        """Absolute path of a rendered configuration file."""
        return str(self.layout.etc / path)

    def mark_ready(self, part: str) -> None:
        """Tell the starter that ``part`` works (see ``lifecycle``)."""
        directory = self.layout.run / "ready"
        directory.mkdir(exist_ok=True)
        (directory / part).touch()


def load(path: Path) -> Cloud:
    """Read ``cloud.json``."""
    known = json.loads(path.read_text())
    layout = Layout(known["name"], known["slot"], Path(known["base"]))
    return Cloud(layout, known["region"], known["passwords"])
