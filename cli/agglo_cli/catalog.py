"""``catalog``: services and releases, with their texts in French and English; what differs, what breaks a rule."""

from __future__ import annotations

import json
from collections.abc import Mapping

import click
from pydantic import JsonValue

from agglo import compare, review
from agglo.adapters import pins
from agglo.adapters.lint_memory import LintMemory
from agglo.catalog import Release, State
from agglo.errors import Exit, UsageError
from agglo.manifest import Tenancy
from agglo.rules import RULES, lint
from agglo.schema import ITEM, Property, properties
from agglo.words import Lang, Words
from agglo.wrong import nearest
from agglo_cli.console import answer_json, plural, table
from agglo_cli.options import AS_JSON, LANG
from agglo_cli.session import Session, pass_session

_HEADINGS = {
    compare.Weight.MAJOR: ("À faire par les communes", "Communes must act"),
    compare.Weight.MINOR: ("Nouveautés", "New"),
    compare.Weight.PATCH: ("Sans effet sur les valeurs", "Without effect on values"),
}


_STATES: Mapping[State, Words] = {
    "draft": Words("draft", "ébauche"),
    "released": Words("released", "publiée"),
    "deprecated": Words("deprecated", "dépréciée"),
    "withdrawn": Words("withdrawn", "retirée"),
}
_TENANCIES: Mapping[Tenancy, Words] = {
    "dedicated": Words("dedicated", "dédié"),
    "shared": Words("shared", "mutualisé"),
}


@click.group()
def catalog() -> None:
    """Services of the shared catalogue."""


@catalog.command("list")
@LANG
@click.option("--all", "everything", is_flag=True, help="Every release, not only the newest of each service.")
@AS_JSON
@pass_session
def list_(session: Session, lang: Lang, everything: bool, as_json: bool) -> None:
    """List services with their newest release."""
    known = session.catalog
    shown = list(known) if everything else [known.release(s, known.newest(s)) for s in known.services()]
    if as_json:
        answer_json([{**_manifest(r), "state": known.entry(r).state} for r in shown])
    else:
        heads = ("service", "version", "état", "mode", "résumé") if lang == "fr" else (
            "service", "version", "state", "tenancy", "summary")  # fmt: skip
        table(heads, [_line(r, known.entry(r).state, lang) for r in shown])


def _line(release: Release, state: State, lang: Lang) -> tuple[str, ...]:
    tenancy = ", ".join(_TENANCIES[t].say(lang) for t in release.manifest.tenancy)
    return release.service, release.version, _STATES[state].say(lang), tenancy, release.manifest.summary.say(lang)


@catalog.command()
@click.argument("service")
@click.argument("version", required=False)
@LANG
@AS_JSON
@pass_session
def show(session: Session, service: str, version: str | None, lang: Lang, as_json: bool) -> None:
    """Show one release: what it is, which values it takes, which versions there are."""
    known = session.catalog
    release = known.release(service, version or known.newest(service))
    if as_json:
        answer_json(
            {"manifest": _manifest(release), "schema": dict(release.schema), "state": known.entry(release).state}
        )
        return
    manifest, index = release.manifest, known.entry(release)
    click.echo(f"{manifest.name} {manifest.version} ({_STATES[index.state].say(lang)}): {manifest.summary.say(lang)}")
    if index.why:
        use = known.next_good(release)
        click.echo(index.why.say(lang) + (f" → {use}" if use else ""))
    upstream = manifest.upstream
    click.echo(f"{upstream.name} {upstream.version}, {upstream.licence}, {upstream.url}")
    versions = [
        f"{v} ({_STATES[known.entry(known.releases[service][v]).state].say(lang)})" for v in known.versions(service)
    ]
    click.echo(("versions : " if lang == "fr" else "versions: ") + ", ".join(versions))
    for name, wanted in manifest.requires.services.items():
        click.echo(f"{'nécessite' if lang == 'fr' else 'needs'} {name} {wanted}")
    heads = ("valeur", "titre", "description", "par défaut") if lang == "fr" else (
        "value", "title", "description", "default")  # fmt: skip
    table(heads, [_row(p, lang) for p in properties(release.schema) if ITEM not in p.key])


def _row(found: Property, lang: Lang) -> tuple[str, str, str, str]:
    default = json.dumps(found.schema.get("default"), ensure_ascii=False) if "default" in found.schema else ""
    if found.required and not default:
        default = "à donner" if lang == "fr" else "to be given"
    choices = found.schema.get("enum")
    one_of = f" [{', '.join(map(str, choices))}]" if isinstance(choices, list) else ""
    shown = default if len(default) <= 30 else f"{default[:29]}…"
    return found.dotted, found.text("title", lang), found.text("description", lang) + one_of, shown


@catalog.command("lint")
@click.argument("service", required=False)
@click.option("--rule", "only", multiple=True, metavar="ID", help="Only this rule; may be given several times.")
@click.option("--all", "everything", is_flag=True, help="Every rule for released versions too, which cannot be mended.")
@AS_JSON
@pass_session
def lint_(session: Session, service: str | None, only: tuple[str, ...], everything: bool, as_json: bool) -> int:
    """Check the catalogue against its rules (docs/rules/). Exits with 1 when one is broken."""
    known = session.catalog
    ids = [rule.id for rule in RULES]
    for name in only:
        if name not in ids:
            raise UsageError(f"there is no rule '{name}'{nearest(name, ids)}", hint="see docs/rules/")
    releases = [r for r in known if service in (None, r.service)]
    if service and not releases:
        known.versions(service)
    rules = [rule for rule in RULES if not only or rule.id in only]
    memory = LintMemory(pins.cache())
    found = list(lint(known, releases, everything=everything, rules=rules, memory=memory))
    memory.save()
    if as_json:
        answer_json([{"rule": r.id, "path": f.path, "line": f.line, "what": f.what, "fix": f.fix} for r, f in found])
    else:
        for rule, finding in found:
            where = f"{finding.path}:{finding.line}" if finding.line else finding.path
            click.echo(f"{where}: {finding.what} [{rule.id}]\n    {finding.fix}")
        counts = (plural(len(releases), "release"), plural(len(rules), "rule"), plural(len(found), "finding"))
        click.echo(", ".join(counts))
    return Exit.FAILED if found else Exit.DONE


@catalog.command()
@click.argument("service")
@click.argument("old")
@click.argument("new")
@LANG
@AS_JSON
@pass_session
def diff(session: Session, service: str, old: str, new: str, lang: Lang, as_json: bool) -> None:
    """Say what changes for communes from version OLD to version NEW, and whose values NEW would refuse."""
    project = session.project
    before, after = project.catalog.release(service, old), project.catalog.release(service, new)
    found = compare.by_weight(compare.differences(before, after))
    refused = review.try_release(project, after)
    if as_json:
        answer_json(
            {
                "weight": max(found, default=compare.Weight.PATCH).name.lower(),
                "differences": [
                    {"weight": d.weight.name.lower(), "key": ".".join(d.key), "fr": d.words.say("fr"), "en": d.words.en}
                    for weight in found.values()
                    for d in weight
                ],
                "refused": {name: [f"{'.'.join(k)}: {w}" for k, w in wrong] for name, wrong in refused.items()},
            }
        )
        return
    french = lang == "fr"
    click.echo(f"{service} {old} → {new}")
    if told := project.catalog.told(after, lang):
        click.echo(f"\n{told}\n")
    for weight, changes in found.items():
        click.secho(_HEADINGS[weight][0 if french else 1], bold=True)
        for change in changes:
            click.echo(f"  - {change.words.say(lang)}")
    if not found:
        click.echo("Rien ne change dans les valeurs." if french else "Nothing changes in the values.")
    asked = [r for r in project.requests.values() if r.service == service]
    if not refused:
        count = len(asked)
        click.echo(f"Les valeurs des communes qui l’ont demandé ({count}) conviennent." if french
                   else f"The values of those who asked for it ({count}) fit.")  # fmt: skip
    for name, wrong in refused.items():
        for key, words in wrong:
            click.secho(f"{name}: {'.'.join(key)}: {words.say(lang)}", fg="red")


def _manifest(release: Release) -> dict[str, JsonValue]:
    data: dict[str, JsonValue] = release.manifest.model_dump(mode="json", by_alias=True)
    return data
