"""Communes' own names and maintenance: what may be asked for, what becomes of it, and what people are told."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from ipaddress import IPv4Address
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from agglo import workflow
from agglo.adapters.dns import DnsNames
from agglo.adapters.files import load_project, read_project
from agglo.adapters.protocols import HttpCheck
from agglo.domains import Answer, Own, wrong
from agglo.plan import Action
from agglo.stack import Kind, StackId
from agglo.testing import Fakes, make_fakes
from tests.trees import ask, metropolis

EDGE = "198.51.100.20"
HOST = "portail.schiltigheim.agglo.localhost"
PORTAL = StackId(Kind.INSTANCE, "67447-portal")
SCHILTIGHEIM = "communes/67447-schiltigheim"
OWN = Own("www.schiltigheim.example", HOST, IPv4Address(EDGE))


@pytest.mark.parametrize("name", ["www.ville.example", "ville.example", "xn--nmes-fpa.example", "a-b.c1.example"])
def test_good_names(name: str) -> None:
    assert wrong(name, "agglo.localhost") is None


@pytest.mark.parametrize(
    "name",
    ["", "www", "WWW.ville.example", "ville.example.", "-a.example", "a-.example", "a_b.example", "nîmes.example",
     "a..example", "192.0.2.1", "*.ville.example", "a b.example", "x" * 64 + ".example", "a." * 127 + "example"],
)  # fmt: skip
def test_names_that_are_none(name: str) -> None:
    said = wrong(name, "agglo.localhost")
    assert said is not None
    assert said.fr.startswith("«")


def test_a_name_inside_the_metropolis_is_refused() -> None:
    assert "la métropole" in str(wrong("www.agglo.localhost", "agglo.localhost").fr)  # type: ignore[union-attr]
    assert wrong("agglo.localhost", "agglo.localhost")
    assert wrong("notagglo.localhost", "agglo.localhost") is None


def test_a_name_leads_here_only_with_all_its_addresses() -> None:
    assert OWN.leads_here(Answer(addresses=(EDGE,)))
    assert OWN.leads_here(Answer((HOST,), (EDGE, EDGE)))
    assert not OWN.leads_here(Answer(addresses=(EDGE, "2001:db8::1")))
    assert not OWN.leads_here(Answer())


def test_what_a_commune_is_told() -> None:
    assert OWN.record == f"www.schiltigheim.example. 3600 IN CNAME {HOST}."
    assert Own("ville.example", HOST, IPv4Address(EDGE)).record == f"ville.example. 3600 IN A {EDGE}"
    assert OWN.note(Answer(addresses=(EDGE,))) is None
    assert "n’existe pas dans le DNS" in OWN.state(Answer()).fr
    assert OWN.state(Answer(("cdn.example",), ("192.0.2.7",))).en == f"leads to cdn.example, 192.0.2.7, not to {EDGE}"
    assert "could not be looked up: timeout" in OWN.state(Answer(error="timeout")).en


def problems(root: Path) -> list[str]:
    return [problem.say("fr").removeprefix(f"{root}/") for problem in read_project(root).problems]


def test_one_name_has_one_owner(tmp_path: Path) -> None:
    root = metropolis(tmp_path)
    ask(root, SCHILTIGHEIM, "portal", version="1.0.0", domains=["www.a.example", "www.a.example", "www.b.example"])
    ask(root, "communes/67043-bischheim", "portal", version="1.0.0", domains=["www.b.example"])
    said = "\n".join(problems(root))
    assert "www.a.example est présent deux fois" in said
    assert "www.b.example est aussi demandé par 67043-bischheim/portal" in said
    assert "www.b.example est aussi demandé par 67447-schiltigheim/portal" in said


@pytest.mark.parametrize("value", [3, "", "x" * 301, ["a"]])
def test_maintenance_is_true_or_a_sentence(tmp_path: Path, value: Any) -> None:
    root = metropolis(tmp_path)
    ask(root, SCHILTIGHEIM, "portal", version="1.0.0", maintenance=value)
    assert problems(root)


@pytest.fixture
def change(tmp_path: Path) -> Callable[..., Fakes]:
    """A world after the metropolis's first apply; calling it asks for something else."""
    root = metropolis(tmp_path)
    fakes = make_fakes(load_project(root))
    workflow.apply(fakes.world, "schiltigheim", lambda _: True)
    fakes.engine.runs.clear()

    def changed(**asked: Any) -> Fakes:
        ask(root, SCHILTIGHEIM, "portal", version="1.0.0", **asked)
        return fakes.with_project(load_project(root))

    return changed


def published(fakes: Fakes) -> dict[str, Any]:
    routes = fakes.configurator.routes[-1]
    assert isinstance(routes, list)
    (route,) = routes
    assert isinstance(route, dict)
    return route


def pages(fakes: Fakes) -> list[HttpCheck]:
    return list(fakes.checks.pages[-1])


def test_a_new_name_is_published_without_the_engine(change: Callable[..., Fakes]) -> None:
    fakes = change(domains=["www.schiltigheim.example"])
    planned = workflow.plan(fakes.world, "schiltigheim")
    assert {c.title: (c.action, c.guests) for c in planned.pending} == {
        "metro": (Action.CONFIGURE, ("edge-1", "edge-2")),
        "67447-schiltigheim/portal": (Action.CONFIGURE, ()),
    }
    assert "is published as www.schiltigheim.example" in planned.pending[1].reason
    assert "is not in the DNS" in planned.notes[0].en
    outcome = workflow.apply(fakes.world, "schiltigheim/portal", lambda _: True)
    assert not outcome.failures
    assert fakes.engine.runs == []
    assert fakes.configurator.runs[-1] == ("edge-1", "edge-2")
    assert published(fakes)["domains"] == ["www.schiltigheim.example"]
    assert [page.host for page in pages(fakes)] == [HOST]
    assert workflow.plan(fakes.world, "schiltigheim").pending == ()


def test_a_name_that_leads_here_is_verified_too(change: Callable[..., Fakes]) -> None:
    fakes = change(domains=["www.schiltigheim.example"])
    fakes.names.known["www.schiltigheim.example"] = Answer((HOST,), (EDGE,))
    assert workflow.plan(fakes.world, "schiltigheim").notes == ()
    workflow.apply(fakes.world, "schiltigheim", lambda _: True)
    assert [page.host for page in pages(fakes)] == [HOST, "www.schiltigheim.example"]
    fakes.names.known.clear()
    outcome = workflow.verify(fakes.world, "schiltigheim")
    assert [page.host for page in pages(fakes)] == [HOST]
    assert "www.schiltigheim.example is not in the DNS" in outcome.plan.notes[0].en


def test_maintenance_is_shown_published_verified_and_ends(change: Callable[..., Fakes]) -> None:
    fakes = change(maintenance="Retour mardi à 8 h.")
    planned = workflow.plan(fakes.world, "schiltigheim")
    assert planned.pending[-1].reason == "is put into maintenance"
    assert planned.notes[0].fr == "67447-schiltigheim/portal est en maintenance"
    workflow.apply(fakes.world, "schiltigheim", lambda _: True)
    assert published(fakes)["maintenance"] == "Retour mardi à 8 h."
    assert [(page.status, page.contains) for page in pages(fakes)] == [(503, "Service en maintenance")]
    fakes = change(maintenance=True)
    workflow.apply(fakes.world, "schiltigheim", lambda _: True)
    assert published(fakes)["maintenance"] == ""
    fakes = change()
    assert workflow.plan(fakes.world, "schiltigheim").pending[-1].reason == "leaves maintenance"
    workflow.apply(fakes.world, "schiltigheim", lambda _: True)
    assert published(fakes)["maintenance"] is None
    assert pages(fakes)[0].status == 200
    assert fakes.engine.runs == []


# The DNS itself: a server that knows www (an alias and its address), old (other addresses) and nothing else.

ZONE = {
    ("www.ville.example", 1): [(5, "edge.example"), (1, EDGE)],
    ("www.ville.example", 28): [(5, "edge.example")],
    ("old.ville.example", 1): [(1, "192.0.2.7")],
    ("old.ville.example", 28): [(28, "2001:db8::1")],
}


def _labels(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def _answer(query: bytes) -> bytes:
    place, labels = 12, []
    while query[place]:
        labels.append(query[place + 1 : place + 1 + query[place]].decode())
        place += 1 + query[place]
    (kind,) = struct.unpack("!H", query[place + 1 : place + 3])
    name = ".".join(labels)
    records, owner = b"", b"\xc0\x0c"
    found = ZONE.get((name, kind), [])
    for type_, value in found:
        family = {1: socket.AF_INET, 28: socket.AF_INET6}.get(type_)
        data = socket.inet_pton(family, value) if family else _labels(value)
        records += owner + struct.pack("!2HIH", type_, 1, 60, len(data)) + data
        owner = _labels(value) if type_ == 5 else owner
    known = any(there == name for there, _ in ZONE)
    flags = 0x8180 if known else 0x8183
    return query[:2] + struct.pack("!5H", flags, 1, len(found), 0, 0) + query[12 : place + 5] + records


@contextmanager
def name_server() -> Iterator[int]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.settimeout(0.1)
        done = threading.Event()

        def serve() -> None:
            while not done.is_set():
                try:
                    query, asker = made.recvfrom(4096)
                except TimeoutError:
                    continue
                made.sendto(_answer(query), asker)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield made.getsockname()[1]
        finally:
            done.set()
            thread.join()


def test_the_resolver_is_asked_for_aliases_and_all_addresses() -> None:
    with name_server() as port:
        found = DnsNames(f"127.0.0.1:{port}").look_up(["www.ville.example", "old.ville.example", "no.ville.example"])
    assert found == {
        "www.ville.example": Answer(("edge.example",), (EDGE,)),
        "old.ville.example": Answer((), ("192.0.2.7", "2001:db8::1")),
        "no.ville.example": Answer(),
    }


@pytest.fixture
def certificates(root: Path) -> ModuleType:
    """The program that gets certificates on an edge."""
    loader = SourceFileLoader("agglo_certificates", str(root / "playbooks/roles/edge/files/agglo-certificates"))
    spec = spec_from_loader(loader.name, loader)
    assert spec
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_an_edge_asks_only_for_names_that_lead_to_it(
    certificates: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with name_server() as port:
        monkeypatch.setattr(certificates, "DNS_PORT", port)
        names = ["www.ville.example", "old.ville.example", "no.ville.example"]
        ready = certificates.own_names_that_lead_here({"names": names, "address": EDGE, "resolver": "127.0.0.1"})
    assert ready == ["www.ville.example"]
    said = capsys.readouterr().err
    assert "old.ville.example leads to 192.0.2.7, 2001:db8::1: not asked for" in said
    assert "no.ville.example leads to nothing" in said
