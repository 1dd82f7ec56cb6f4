"""What is rendered, planned and handed to engine and Ansible, as files that a reviewer reads in a diff.

UPDATE_GOLDEN=1 pytest tests/golden writes them again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from pydantic import JsonValue
from ruamel.yaml import YAML

from agglo.exemptions import Exemption
from agglo.guest import example_context, inventory, metro_guests, ops_guest, playbook, render_files
from agglo.layers import make_layer, nest, resolve
from agglo.project import Project
from agglo.records import Record, Route
from agglo.selector import select
from agglo.stack import Kind, Site, StackId, make_spec, metro_target
from agglo.testing import make_fakes
from agglo.workflow import plan
from agglo.world import World

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent
INSTANCE = "67447-schiltigheim/portal"
SITE = Site("0" * 64, "ssh-ed25519 AAAA ca", "https://acme.example/directory", "PEM")
EXAMPLES = sorted(ROOT.glob("catalog/*/*/examples/*.yaml"))


def compare(name: str, files: Mapping[str, str]) -> None:
    """Compare files with those kept below ``name``, or keep them."""
    folder = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        for relative, text in files.items():
            (folder / relative).parent.mkdir(parents=True, exist_ok=True)
            (folder / relative).write_text(text, encoding="utf-8")
    kept = {str(p.relative_to(folder)): p.read_text("utf-8") for p in folder.rglob("*") if p.is_file()}
    assert dict(files) == kept


def text(value: JsonValue) -> str:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 3


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda p: "-".join((*p.parts[-4:-2], p.stem)))
def test_every_example_renders_as_kept(project: Project, example: Path) -> None:
    service, version, _, name = example.parts[-4:]
    request = project.requests[INSTANCE]
    release = project.catalog.release(service, version)
    values = YAML(typ="safe").load(example.read_text("utf-8"))["values"]
    layers = [make_layer("schema", "schema", release.defaults(), {}), make_layer("example", name, values, {})]
    resolved = nest(resolve(layers))
    assert release.errors(resolved) == []
    rendered = render_files(release, example_context(project, request, release, resolved))
    compare(f"{service}/{version}/{example.stem}", rendered)


def test_stack_inputs(project: Project) -> None:
    metro = {
        "image": "0" * 64,
        "images": {"0" * 64: {"id": "image-1", "date": "", "adopted": False}},
        "flavors": {"SCS-1L-1-5": "f"},
        "domain": "d",
        "transit_network": "t",
        "transit_network_name": "transit",
    }
    commune = {key: key for key in ("network", "subnet", "security_group", "zone")}
    outputs = {metro_target(project).id: metro, StackId(Kind.COMMUNE, "67447"): commune}
    specs = [make_spec(project, SITE, target, outputs) for target in select(project, "schiltigheim")]
    compare("stacks", {f"{spec.target.id.kind}.json": text(spec.inputs) for spec in specs})


def test_inventory_and_plays(project: Project) -> None:
    route = Route(host="portail.x.agglo.localhost", address="100.64.1.7", port=80, instance="x/portal", health="/sante")
    served = Record(stack="i", title="67447-x/portal", outputs={"server": "s", "address": "100.64.1.7"}, route=route)
    outputs = {"bastion_server": "b", "edge_servers": {"edge-1": "e", "edge-2": "f"}, "ops_server": "o"}
    guests = [
        *metro_guests(project, SITE, outputs, [route], {}, "p"),
        ops_guest(project, SITE, outputs, [served], {"mail_key": 1}, "p"),
    ]
    made = {
        "inventory.json": text(inventory(guests, Path("/run"))),
        "site.json": text(list(playbook(guests, Path("/p")))),
    }
    compare("ansible", made)


def test_plans(project: Project) -> None:
    """The first plan of all, and one that is refused, advised and exempted."""
    only = replace(project, communes={"67447": project.communes["67447"]})
    plans = {"first": only, "judged": judged(only)}
    compare("plan", {f"{name}.json": text(plan(world_of(p), "all").to_json()) for name, p in plans.items()})


def world_of(project: Project) -> World:
    """A world whose cloud has the project's region."""
    fakes = make_fakes(project)
    fakes.cloud.able = fakes.cloud.able.model_copy(update={"regions": (project.metro.region,)})
    return fakes.world


def judged(project: Project) -> Project:
    """A metropolis with a bastion open to the world, one region too far, and a value of a commune's own."""
    metro, request = project.metro, project.requests[INSTANCE]
    anywhere = metro.public.ssh_from[0].model_copy(update={"cidr": IPv4Network("0.0.0.0/0")})
    public = metro.public.model_copy(update={"ssh_from": (anywhere,)})
    asked = request.asked.model_copy(update={"values": {"tagline": "Bienvenue à Schilick."}})
    moved = Exemption(
        policy="data-stays-in-region", where="metro", why="Avant le déménagement.", until=date(2026, 6, 30)
    )
    ended = Exemption(policy=moved.policy, where="schiltigheim", why="Avant le déménagement.", until=date(2025, 12, 31))
    return replace(
        project,
        metro=metro.model_copy(update={"public": public, "region": "elsewhere"}),
        requests={INSTANCE: replace(request, asked=asked)},
        exemptions={"stacks/exemptions.yaml:2": moved, "stacks/exemptions.yaml:6": ended},
    )
