"""What tests ask of the metropolis's own guest, and how long they wait for it."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from tests.integration.conftest import Cloud, wait_until

eventually = partial(wait_until, seconds=90, pause=1)  # Prometheus looks every 15 s


def values(cloud: Cloud, expression: str, label: str) -> dict[str, float]:
    """What Prometheus answers, by one label."""
    asked = f"promtool query instant -o json http://127.0.0.1:9090 '{expression}'"
    return {row["metric"][label]: float(row["value"][1]) for row in json.loads(on_guest(cloud, "ops", asked))}


def on_guest(cloud: Cloud, name: str, command: str, text: str = "") -> str:
    """What a shell command on a guest prints; the guest is known by what it has."""
    has = {"ops": "etc/prometheus/agglo-rules.yml", "portal": "srv/portal"}[name]
    (uuid,) = (p.parents[len(Path(has).parts)].name for p in guests(cloud).glob(f"*/upper/{has}"))
    return cloud.inside(uuid).run("sh", "-c", command, text=text)


def guests(cloud: Cloud) -> Path:
    """Where the guests' files are."""
    return cloud.layout.run / "nova" / "instances"
