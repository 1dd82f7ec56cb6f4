"""``explain``: where each value of an instance comes from."""

from __future__ import annotations

import json

import click
from pydantic import JsonValue

from agglo.errors import UsageError
from agglo.layers import Key, Value
from agglo_cli.console import answer_json, table
from agglo_cli.session import Session, pass_session


@click.command()
@click.argument("instance")
@click.argument("key", required=False)
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
@pass_session
def explain(session: Session, instance: str, key: str | None, as_json: bool) -> None:
    """Show each value of INSTANCE (schiltigheim/portal) with the file and line that set it, and what it overrode."""
    request = session.request(instance)
    wanted = tuple(key.split(".")) if key else ()
    values = {k: v for k, v in session.project.values(request).items() if k[: len(wanted)] == wanted}
    if not values:
        raise UsageError(f"{instance} has no value '{key}'", hint=f"agglo explain {instance}")
    if as_json:
        answer_json({".".join(k): _json(v) for k, v in values.items()})
    else:
        table(("value", "is", "set by", "overrode"), [_row(k, v) for k, v in values.items()])


def _row(key: Key, value: Value) -> tuple[str, str, str, str]:
    overrode = ", ".join(f"{_short(s.value)} ({s.origin})" for s in value.overrode)
    return ".".join(key), _short(value.value), str(value.origin), overrode


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "…"


def _json(value: Value) -> JsonValue:
    return {
        "value": value.value,
        "set_by": str(value.origin),
        "overrode": [{"value": s.value, "set_by": str(s.origin)} for s in value.overrode],
    }
