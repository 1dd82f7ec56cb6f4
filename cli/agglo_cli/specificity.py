"""``specificity``: where communes differ from what they share."""

from __future__ import annotations

import datetime
import json

import click
from pydantic import JsonValue

from agglo.layers import Origin
from agglo.selector import named
from agglo.specificity import Override, Specificity, Total, hints, report, totals
from agglo.words import Lang
from agglo_cli.console import answer_json, plural, table
from agglo_cli.options import AS_JSON, LANG_EN
from agglo_cli.session import Session, pass_session


@click.command()
@click.argument("selector", default="all")
@LANG_EN
@AS_JSON
@pass_session
def specificity(session: Session, selector: str, lang: Lang, as_json: bool) -> None:
    """Show which values communes set for themselves, since when and why, and how much they share.

    SELECTOR: all, a commune (67447 or schiltigheim), schiltigheim/portal, */portal.
    """
    project = session.project
    found = report(project, named(project, selector), lambda origin: _since(session, origin))
    if as_json:
        answer_json(_json(found))
        return
    today = datetime.datetime.now(datetime.UTC).date()
    french = lang == "fr"
    overrides = [override for one in found for override in one.overrides]
    if overrides:
        heads = ("instance", "valeur", "est", "partagée", "depuis", "pourquoi", "où") if french else (
            "instance", "value", "is", "shared", "since", "why", "where")  # fmt: skip
        table(heads, [_row(override, today, lang) for override in overrides])
    for hint in hints(found):
        names = ", ".join(hint.instances)
        click.echo(f"{hint.service}: {'.'.join(hint.key)} = {_short(hint.value)}: {names}"
                   + (" – valeur à partager (defaults.yaml ou un groupe) ?" if french
                      else " – worth sharing (defaults.yaml or a group)?"))  # fmt: skip
    for head, name in (("commune", _commune), ("service", _service)):
        if len(rows := totals(found, name)) > 1:
            _show_totals(head, rows, french=french)
    click.echo(_summary(found, lang))


def _since(session: Session, origin: Origin) -> datetime.date | None:
    change = session.history.since(origin.file, origin.line)
    return change.at.date() if change else None


def _row(override: Override, today: datetime.date, lang: Lang) -> tuple[str, ...]:
    why = _why(override, today, french=lang == "fr")
    return (
        override.instance, ".".join(override.key), _short(override.value), _short(override.shared),
        str(override.since or ""), why, str(override.origin),
    )  # fmt: skip


def _why(override: Override, today: datetime.date, *, french: bool) -> str:
    if override.redundant:
        return "identique à la valeur partagée : à retirer" if french else "the same as the shared one: leave it out"
    if override.reason is None:
        if override.fact:
            return "donnée propre à la commune" if french else "a fact of the commune"
        return "(sans raison)" if french else "(no reason)"
    why, until = override.reason.reason, override.reason.until
    if until is None:
        return why
    if override.overdue(today):
        return f"{why} ({'terminé le' if french else 'ended'} {until})"
    return f"{why} ({'jusqu’au' if french else 'until'} {until})"


def _commune(one: Specificity) -> str:
    return one.instance.partition("/")[0]


def _service(one: Specificity) -> str:
    return one.service


def _show_totals(head: str, rows: list[Total], *, french: bool) -> None:
    heads = (head, "instances", "valeurs", "diffèrent", "faits", "en commun", "le plus souvent") if french else (
        head, "instances", "values", "differ", "facts", "in common", "most often")  # fmt: skip
    click.echo()
    table(
        heads,
        [
            (
                row.name, str(row.instances), str(row.values), str(row.differing), str(row.facts),
                f"{float(100 * row.shared):.1f} %", ", ".join(f"{key} ({count})" for key, count in row.often),
            )
            for row in rows
        ],
    )  # fmt: skip
    click.echo()


def _summary(found: list[Specificity], lang: Lang) -> str:
    all_ = totals(found, lambda _: "")
    if not all_:
        return "Aucune instance." if lang == "fr" else "No instance."
    (total,) = all_
    share = float(100 * total.shared)
    if lang == "fr":
        return (
            f"Sur {total.values} valeurs de {total.instances} instance(s), {total.differing} diffère(nt) des valeurs"
            f" partagées et {total.facts} n’ont pas d’équivalent partagé : {share:.1f} % en commun."
        )
    return (
        f"Of {total.values} values in {plural(total.instances, 'instance')}, {total.differing} differ from the shared"
        f" ones and {total.facts} have no shared counterpart: {share:.1f} % in common."
    )


def _short(value: JsonValue) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:39]}…"


def _json(found: list[Specificity]) -> JsonValue:
    return {
        "instances": [
            {
                "instance": one.instance,
                "values": one.values,
                "shared": float(one.shared),
                "overrides": [_override(override) for override in one.overrides],
            }
            for one in found
        ],
        "communes": [_total(total) for total in totals(found, _commune)],
        "services": [_total(total) for total in totals(found, _service)],
        "hints": [
            {"service": h.service, "key": ".".join(h.key), "value": h.value, "instances": list(h.instances)}
            for h in hints(found)
        ],
    }


def _total(total: Total) -> dict[str, JsonValue]:
    return {
        "name": total.name,
        "instances": total.instances,
        "values": total.values,
        "differing": total.differing,
        "facts": total.facts,
        "shared": float(total.shared),
        "often": [{"key": key, "instances": count} for key, count in total.often],
    }


def _override(override: Override) -> dict[str, JsonValue]:
    reason = override.reason
    return {
        "key": ".".join(override.key),
        "value": override.value,
        "shared": override.shared,
        "set_by": str(override.origin),
        "since": str(override.since) if override.since else None,
        "why": reason.reason if reason else None,
        "until": str(reason.until) if reason and reason.until else None,
        "redundant": override.redundant,
        "fact": override.fact,
    }
