"""An instance of a service: port, server, transit floating IP, name. Run with the commune's own credential."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pulumi
from pulumi_openstack import dns, networking

from agglo.programs.components import Opening, port, security_group, server
from agglo.programs.inputs import Json, numbers, text, texts


def program(inputs: Json, assets: Mapping[str, Path]) -> None:
    """Declare the stack."""
    name = text(inputs, "name")
    openings = [Opening(p, f"{edge}/32") for p in numbers(inputs, "ports") for edge in texts(inputs, "edges")]
    group = security_group(name, "the service's ports from the metropolis's edges", openings)
    fixed = port(name, text(inputs, "network"), text(inputs, "subnet"), [text(inputs, "security_group"), group.id])
    address = networking.FloatingIp(name, pool=text(inputs, "transit_network_name"), port_id=fixed.id)
    guest = server(
        name,
        port=fixed,
        image=text(inputs, "image"),
        flavor=text(inputs, "flavor"),
        user_data=text(inputs, "user_data"),
    )
    dns.RecordSet(
        name,
        zone_id=text(inputs, "zone"),
        name=text(inputs, "host"),
        type="A",
        ttl=300,
        records=[text(inputs, "address")],
    )
    pulumi.export("server", guest.id)
    pulumi.export("address", address.address)
    pulumi.export("fixed_address", fixed.all_fixed_ips[0])
