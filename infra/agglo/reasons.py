"""Why a commune differs: the reasons that stand beside the values it sets for itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from agglo.layers import Key
from agglo.words import Strict


class Reason(Strict):
    """Why a value differs from the shared one; ``since`` where Git does not know better, ``until`` when it ends."""

    reason: str = Field(min_length=3, max_length=400)
    since: date | None = None
    until: date | None = None


def _short_form(value: Any) -> Any:
    """``why: {tagline: Because.}`` is short for ``why: {tagline: {reason: Because.}}``."""
    return {"reason": value} if isinstance(value, str) else value


Why = dict[str, Annotated[Reason, BeforeValidator(_short_form)]]  # by dotted key path, or the beginning of one


def reason_of(key: Key, why: Mapping[str, Reason]) -> Reason | None:
    """The reason given for ``key``, or for the nearest key above it."""
    paths = (".".join(key[:n]) for n in range(len(key), 0, -1))
    return next((why[path] for path in paths if path in why), None)
