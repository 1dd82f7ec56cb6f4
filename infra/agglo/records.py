"""Records: what was applied and verified last. They hold no secret."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field, JsonValue

from agglo.commune import Strict


class Route(Strict):
    """What the edge sends where: ``host`` to ``address``:``port`` on transit; ``health`` is a path that answers 200."""

    host: str
    address: str
    port: int
    instance: str
    health: str = "/"


class EngineResult(Strict):
    """The last good run of the engine: digest of inputs, sha256 of the checkpoint it left, resources changed."""

    digest: str
    checkpoint: str
    at: datetime
    changes: dict[str, int] = Field(default_factory=dict)


class GuestResult(Strict):
    """The last good configuration of one guest; ``setup`` is the digest of what seldom changes."""

    digest: str
    setup: str | None = None
    at: datetime
    changed: int = 0


class Verified(Strict):
    """The last verification; ``failures`` are one line each."""

    at: datetime
    passed: int
    failed: int
    failures: tuple[str, ...] = ()


class Intent(Strict):
    """A change that was begun; it stays when the run dies, and makes the next run resume."""

    at: datetime
    step: Literal["engine", "configure", "verify", "destroy"]


class Record(Strict):
    """All that is remembered of one stack."""

    format: Literal[1] = 1
    stack: str
    title: str
    release: str | None = None
    engine: EngineResult | None = None
    outputs: dict[str, JsonValue] = Field(default_factory=dict)
    guests: dict[str, GuestResult] = Field(default_factory=dict)
    route: Route | None = None
    verified: Verified | None = None
    intent: Intent | None = None
