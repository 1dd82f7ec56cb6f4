"""``drift``: where the live cloud differs from what was applied."""

from __future__ import annotations

import click

from agglo import watch
from agglo.drift import What
from agglo.errors import Exit
from agglo_cli.console import answer_json, plural, table
from agglo_cli.options import AS_JSON
from agglo_cli.session import Session, pass_session


@click.command()
@click.argument("selector", default="all")
@AS_JSON
@pass_session
def drift(session: Session, selector: str, as_json: bool) -> int:
    """Say where the live cloud differs from what was applied; changes nothing there. Exits with 3 when it does.

    What is gone or changed comes back with the next apply; what is not agglo's stays until somebody deletes it. The
    metropolis's monitoring is told, and since when volumes are in no backup.
    """
    world = session.world()
    with session.voice.live("looking"):
        found = watch.look(world, selector)
    if as_json:
        answer_json({"stacks": [drift.to_json() for drift in found]})
    rows = [
        (f.title, d.kind.words, d.name, str(d.what), d.field, d.applied, d.live) for f in found for d in f.differences
    ]
    if not as_json:
        if rows:
            table(("stack", "resource", "name", "what", "field", "was applied", "is"), rows)
            _show_ways(found)
        else:
            click.echo(f"{plural(len(found), 'stack')}: the cloud is as it was applied.")
    return Exit.PENDING if rows else Exit.DONE


def _show_ways(found: list[watch.Drift]) -> None:
    """The two ways out."""
    ours = [f.title for f in found if any(d.what is not What.UNMANAGED for d in f.differences)]
    others = [d for f in found for d in f.differences if d.what is What.UNMANAGED]
    if ours:
        click.secho(
            f"try:   agglo apply {ours[0] if len(ours) == 1 else 'all'}, which brings it back", dim=True, err=True
        )
    if others:
        kind = {d.kind.words for d in others}
        click.secho(
            f"try:   delete what is not agglo's ({', '.join(sorted(kind))}) in the cloud, or have it made by a release",
            dim=True, err=True,
        )  # fmt: skip
