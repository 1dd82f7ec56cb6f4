"""``domain``: host names of the communes' own, and what is left to do in their DNS. In French first."""

from __future__ import annotations

import click
from pydantic import JsonValue

from agglo.adapters.connection import process_environment
from agglo.adapters.dns import DnsNames
from agglo.adapters.tls import EdgeTls
from agglo.errors import Exit
from agglo.guest import own_names
from agglo.selector import select
from agglo.stack import host_name
from agglo.words import Lang, Words
from agglo_cli.console import answer_json
from agglo_cli.options import AS_JSON, LANG
from agglo_cli.session import Session, connection_file, pass_session


@click.group()
def domain() -> None:
    """Host names of the communes' own."""


@domain.command()
@click.argument("selector", default="all")
@click.option("--resolver", metavar="ADDRESS[:PORT]", help="Who is asked (default: public.dns of stacks/metro.yaml).")
@LANG
@AS_JSON
@pass_session
def check(session: Session, selector: str, resolver: str | None, lang: Lang, as_json: bool) -> int:
    """Say of each name where it leads, whether its certificate is there, and what the commune writes in its DNS.

    SELECTOR: all, a commune (67447 or schiltigheim), schiltigheim/portal, */portal. Exits with 3 when something is left
    to do.
    """
    project, access = session.project, process_environment(connection_file())
    edge, name_server = project.metro.public.edge, str(project.metro.public.dns)
    requests = [t.request for t in select(project, selector) if t.request]
    own = {o.name: o for r in requests for o in own_names(project, host_name(project, r), r.asked.domains)}
    instances = {n: r.instance for r in requests for n in r.asked.domains}
    answers = DnsNames(resolver or access.get("AGGLO_DNS_ACCESS") or name_server).look_up(own)
    ends = EdgeTls(access.get("AGGLO_EDGE_ACCESS") or f"{edge}:443", access.get("AGGLO_CA_FILE")).ends(own)
    rows: list[JsonValue] = []
    left = False
    for name, known in own.items():
        answer, end = answers[name], ends[name]
        done = known.leads_here(answer)
        left |= not (done and end)
        rows.append(
            {
                "name": name, "instance": instances[name], "leads_here": done, "record": known.record,
                "aliases": list(answer.aliases), "addresses": list(answer.addresses),
                "certificate_until": end.isoformat() if end else None,
            }
        )  # fmt: skip
        if not as_json:
            click.echo(f"{name} ({instances[name]})")
            for words in (known.state(answer), _certificate(end.date().isoformat() if end else "", leads=done)):
                click.echo(f"  {words.say(lang)}")
            if not done:
                other: Lang = "en" if lang == "fr" else "fr"
                click.echo(f"  {known.instruction.say(lang)}")
                click.secho(f"  {known.instruction.say(other)}", dim=True)
                click.echo(f"    {known.record}")
    if as_json:
        answer_json({"domains": rows})
    elif not own:
        click.echo(Words("No commune has a name of its own here.", "Aucune commune n’a de nom à elle ici.").say(lang))
    return Exit.PENDING if left else Exit.DONE


def _certificate(until: str, *, leads: bool) -> Words:
    if until:
        return Words(f"certificate until {until}", f"certificat jusqu’au {until}")
    if leads:
        return Words(
            "no certificate yet: the edges get it within the hour", "pas encore de certificat : il vient dans l’heure"
        )
    return Words(
        "no certificate: asked for when the name leads here", "pas de certificat : demandé quand le nom y mènera"
    )
