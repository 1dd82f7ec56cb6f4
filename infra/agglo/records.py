"""Records: what was applied and verified last. They hold no secret."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field, JsonValue

from agglo.capabilities import Capabilities
from agglo.words import Strict


class Route(Strict):
    """What the edges send where: ``host`` to ``address``:``port`` on transit; ``health`` is a path that answers 200.

    ``domains`` are names of the commune's own for the same. In ``maintenance`` (a sentence for citizens, empty when
    there is nothing more to say) the edges answer themselves.
    """

    host: str
    address: str
    port: int
    instance: str
    health: str = "/"
    domains: tuple[str, ...] = ()
    maintenance: str | None = None


class EngineResult(Strict):
    """The last good run of the engine: digest of inputs, sha256 of the checkpoint it left, resources changed."""

    digest: str
    checkpoint: str
    at: datetime
    changes: dict[str, int] = Field(default_factory=dict)


class HostCertificate(Strict):
    """A guest's ssh certificate as its file holds it, and when a new one is due."""

    text: str
    renew: datetime


class GuestResult(Strict):
    """The last good configuration of one guest; ``setup`` is the digest of what seldom changes."""

    digest: str
    setup: str | None = None
    at: datetime
    changed: int = 0
    certificate: HostCertificate | None = None

    def renewal_due(self, now: datetime) -> bool:
        """True when its ssh certificate has to be renewed."""
        return bool(self.certificate and self.certificate.renew <= now)


class Verified(Strict):
    """The last verification; ``failures`` are one line each."""

    at: datetime
    passed: int
    failed: int
    failures: tuple[str, ...] = ()


class Looked(Strict):
    """The last look for drift: one line for each thing of the stack that differs in the cloud, and for each beside it
    that is in no stack; since when the data of each volume of its project are in no backup.
    """

    at: datetime
    differs: tuple[str, ...] = ()
    unmanaged: tuple[str, ...] = ()
    volumes: dict[str, datetime] = Field(default_factory=dict)


class Intent(Strict):
    """A change that was begun; it stays when the run dies, and makes the next run resume."""

    at: datetime
    step: Literal["engine", "configure", "verify", "destroy"]


class Record(Strict):
    """All that is remembered of one stack.

    ``release`` is the version that was asked for when the engine last ran or guests were last configured;
    ``configured`` the one that the guests have, with the names of the ``migrations`` that brought their data there,
    each as ``<version>/<name>``. ``capabilities`` are what the cloud could do when the metro stack was applied.
    """

    format: Literal[1] = 1
    stack: str
    title: str
    release: str | None = None
    configured: str | None = None
    migrations: tuple[str, ...] = ()
    engine: EngineResult | None = None
    outputs: dict[str, JsonValue] = Field(default_factory=dict)
    guests: dict[str, GuestResult] = Field(default_factory=dict)
    route: Route | None = None
    verified: Verified | None = None
    looked: Looked | None = None
    intent: Intent | None = None
    capabilities: Capabilities | None = None

    @property
    def drifted(self) -> bool:
        """True when the last look found that the cloud differs from what was applied."""
        return bool(self.looked and self.looked.differs)
