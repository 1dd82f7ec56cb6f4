"""``service.yaml``: what one release of a service is, needs and promises."""

from __future__ import annotations

import string
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from agglo.versions import Range, Semver
from agglo.words import Strict, Text

NAME = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"
NAME_LENGTH = 40
Tenancy = Literal["dedicated", "shared"]
LegalBasis = Literal[
    "consent", "contract", "legal_obligation", "vital_interests", "public_task", "legitimate_interests"
]


class Upstream(Strict):
    """The software that a release packages; ``licence`` is an SPDX expression."""

    name: str
    version: str
    licence: str
    url: str = Field(pattern=r"^https://")


class Requires(Strict):
    """Services that the commune must have first, by name and range of versions, and the agglo that can apply this."""

    services: dict[str, Range] = Field(default_factory=dict)
    agglo: Range = ">=0.1.0"


class Volume(Strict):
    """What outlives an instance's server: ``size_gib``, mounted at ``path``; later releases may only enlarge it."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")
    size_gib: int = Field(ge=1, le=16384)
    path: str = Field(pattern=r"^/(srv|var/lib)/[a-z0-9][a-z0-9/_-]*$")


class Resources(Strict):
    """What one instance takes: a flavor of the metropolis, the TCP ports that the edge may reach, volumes for data."""

    servers: Literal[1] = 1
    flavor: str
    ports: tuple[int, ...] = Field(min_length=1)
    volumes: tuple[Volume, ...] = ()

    @field_validator("volumes")
    @classmethod
    def _apart(cls, value: tuple[Volume, ...]) -> tuple[Volume, ...]:
        for what in ("name", "path"):
            found = [getattr(volume, what) for volume in value]
            if len(set(found)) < len(found):
                raise ValueError(f"two volumes have the same {what}")
        return value


class Generate(Strict):
    """How a secret is made: ``length`` characters of ``charset``."""

    length: int = Field(ge=16, le=256)
    charset: Literal["alphanumeric", "hex"] = "alphanumeric"

    @property
    def alphabet(self) -> str:
        """The characters of the charset."""
        return string.hexdigits[:16] if self.charset == "hex" else string.ascii_letters + string.digits


class Secret(Strict):
    """A secret of an instance; its value lives in the Vault only."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    generate: Generate
    rotation_days: int = Field(ge=1)
    summary: Text


class Migration(Strict):
    """One step that an instance takes on its way to this version: the playbook ``migrations/<name>.yml``."""

    name: str = Field(pattern=r"^\d{4}-[a-z0-9]+(-[a-z0-9]+)*$")
    summary: Text


class Upgrade(Strict):
    """The versions that this release can be reached from (empty: a first version), and the steps to take."""

    from_: Range = Field(default="", alias="from")
    migrations: tuple[Migration, ...] = ()


class Backup(Strict):
    """How the instance's data are kept; ``none`` needs a reason."""

    kind: Literal["none"]
    why: Text


class Web(Strict):
    """What the edge publishes: host label below the commune's zone, the instance's port, a path that answers 200."""

    host: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    port: int = Field(ge=1, le=65535)
    health: str = Field(default="/", pattern=r"^/")


class Processing(Strict):
    """One processing of personal data, as article 30 of the GDPR asks to register it."""

    name: Text
    purpose: Text
    legal_basis: LegalBasis
    people: tuple[Text, ...] = Field(min_length=1)
    categories: tuple[Text, ...] = Field(min_length=1)
    recipients: tuple[Text, ...] = Field(min_length=1)
    retention: Text
    transfers: Text | None = None  # outside of the European Union; None: there are none
    security: tuple[Text, ...] = ()


class PersonalData(Strict):
    """Processing of personal data by the service; none at all needs a reason."""

    processing: tuple[Processing, ...] = ()
    why: Text | None = None

    @model_validator(mode="after")
    def _said(self) -> PersonalData:
        if bool(self.processing) == bool(self.why):
            raise ValueError("either processing is listed, or why there is none")
        return self


class Cost(Strict):
    """What an instance weighs in the metropolis's accounts; 1 is one small server."""

    weight: float = Field(default=1, gt=0)


class Manifest(Strict):
    """``service.yaml`` of a release."""

    format: Literal[1]
    name: str = Field(pattern=f"^{NAME}$", max_length=NAME_LENGTH)
    version: Semver
    summary: Text
    upstream: Upstream
    requires: Requires = Requires()
    tenancy: tuple[Tenancy, ...] = Field(default=("dedicated",), min_length=1)
    resources: Resources
    secrets: tuple[Secret, ...] = ()
    upgrade: Upgrade = Upgrade()
    backup: Backup
    checks: tuple[Annotated[str, Field(pattern=r"^checks/test_[a-z0-9_]+\.py$")], ...] = Field(min_length=1)
    personal_data: PersonalData
    web: Web
    cost: Cost = Cost()
