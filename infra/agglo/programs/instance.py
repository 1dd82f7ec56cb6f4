"""An instance of a service: port, server, volumes, transit floating IP, name.

A shared instance has no name of its own; a membership in one has the name only. Where the cloud serves no names, nobody
has one here. Run with the commune's own credential.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pulumi
from pulumi_openstack import blockstorage, dns, networking

from agglo.programs.components import port, security_groups, server
from agglo.programs.inputs import Json, named_tables, number, optional_text, table, text, texts


def program(inputs: Json, assets: Mapping[str, Path]) -> None:
    """Declare the stack."""
    role, zone = text(inputs, "role"), optional_text(inputs, "zone")
    if role != "shared" and zone:
        dns.RecordSet(
            text(inputs, "name"),
            zone_id=zone,
            name=text(inputs, "host"),
            type="A",
            ttl=300,
            records=[text(inputs, "address")],
        )
        _challenge(inputs, zone)
    if role == "member":
        pulumi.export("address", text(inputs, "served_from"))
    else:
        _servers(inputs)


def _challenge(inputs: Json, zone: str) -> None:
    """Where the edges answer ACME's challenges for the name, if they do so in the DNS."""
    if answer := optional_text(inputs, "challenge"):
        dns.RecordSet(
            f"{text(inputs, 'name')}-challenge",
            zone_id=zone,
            name=f"_acme-challenge.{text(inputs, 'host')}",
            type="CNAME",
            ttl=300,
            records=[answer],
        )


def _servers(inputs: Json) -> None:
    ids = table(inputs, "security_group_ids")
    groups: dict[str, pulumi.Input[str]] = {name: text(ids, name) for name in ids}
    groups |= {name: group.id for name, group in security_groups(inputs).items()}
    pulumi.export("server_images", table(inputs, "server_images"))
    for name, wanted in named_tables(inputs, "servers").items():
        mine = [groups[group] for group in texts(wanted, "security_groups")]
        fixed = port(name, text(inputs, "network"), text(inputs, "subnet"), mine)
        address = networking.FloatingIp(name, pool=text(inputs, "transit_network_name"), port_id=fixed.id)
        disks = _volumes(inputs, name) if "volumes" in inputs else {}
        guest = server(
            name,
            port=fixed,
            image=text(table(inputs, "images"), text(wanted, "image")),
            flavor=text(table(inputs, "flavors"), text(wanted, "flavor")),
            user_data=text(inputs, "user_data"),
            availability_zone=optional_text(inputs, "availability_zone"),
            volumes=[disk.id for disk in disks.values()],
        )
        pulumi.export("volumes", {volume: disk.id for volume, disk in disks.items()})
        pulumi.export("server", guest.id)
        pulumi.export("address", address.address)
        pulumi.export("fixed_address", fixed.all_fixed_ips[0])


def _volumes(inputs: Json, server: str) -> dict[str, blockstorage.Volume]:
    """The instance's data, by the names in its release: volumes stay when the server is made again."""
    return {
        name: blockstorage.Volume(
            f"{server}-{name}",
            name=f"{server}-{name}",
            size=number(wanted, "size_gib"),
            volume_type=optional_text(wanted, "type"),
            enable_online_resize=True,
        )
        for name, wanted in named_tables(inputs, "volumes").items()
    }
