"""The compute hosts of an embedded cloud: how many, their names, their network namespaces and addresses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agglo_devcloud.layout import Layout

COUNT = 2


@dataclass(frozen=True)
class ComputeHost:
    """One compute host: an OVS and an ovn-controller in a network namespace, and a nova-compute beside the API.

    ``number`` counts from 1; ``tunnel`` is its geneve end on the underlay.
    """

    number: int
    name: str
    netns: str
    tunnel: str
    directory: Path

    @property
    def ovs_socket(self) -> Path:
        """Unix socket of the host's own Open vSwitch database."""
        return self.directory / "db.sock"


def hosts(layout: Layout) -> list[ComputeHost]:
    """All compute hosts of the cloud, in order."""
    return [
        ComputeHost(
            number=number,
            name=f"compute-{number}",
            netns=layout.netns(f"c{number}"),
            tunnel=f"172.31.255.{number}",
            directory=layout.ovs / f"c{number}",
        )
        for number in range(1, COUNT + 1)
    ]
