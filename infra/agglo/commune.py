"""A commune: a tenant of the metropolis, keyed by its INSEE code."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, JsonValue, field_validator, model_validator

from agglo.reasons import Why
from agglo.words import Strict, Words

INSEE = re.compile(r"(?:\d{2}|2[AB])\d{3}")
SLUG = re.compile(r"[a-z](?:[a-z0-9]|-(?!-))*[a-z0-9]")
_LIGATURES = str.maketrans({"œ": "oe", "æ": "ae", "ß": "ss"})
_METROPOLITAN = re.compile(r"(?!9[78])\d{5}")


def _slug(value: str) -> str:
    if not SLUG.fullmatch(value):
        raise ValueError(f"'{value}' is not a slug: lower-case letters, digits and single hyphens, a letter first")
    return value


Slug = Annotated[str, AfterValidator(_slug)]


def propose_slug(name: str) -> str:
    """A commune's name as a DNS label: ``La Wantzenau`` → ``la-wantzenau``, ``Hœnheim`` → ``hoenheim``."""
    plain = unicodedata.normalize("NFKD", name.lower().translate(_LIGATURES))
    letters = "".join(c for c in plain if not unicodedata.combining(c))
    return re.sub(r"[^a-z0-9]+", "-", letters).strip("-")


class Population(Strict):
    """Inhabitants: ``kind`` as INSEE counts them; ``vintage`` is the year of the figure where its source says one."""

    count: int = Field(gt=0, lt=3_000_000)
    kind: Literal["municipale", "totale"] = "municipale"
    vintage: int | None = Field(default=None, ge=1990, le=2100)


class ClassOfItsOwn(Strict):
    """A size class other than the one that the population gives, and why."""

    name: str = Field(alias="class")
    why: str = Field(min_length=3, max_length=400)


def luhn(digits: str) -> bool:
    """True when ``digits`` ends in its Luhn check digit, as every SIREN does (INSEE, Sirene)."""
    doubled = [int(d) * (2 if i % 2 else 1) for i, d in enumerate(reversed(digits))]
    return sum(n - 9 if n > 9 else n for n in doubled) % 10 == 0


def insee_of_siren(siren: str) -> str:
    """INSEE code inside a commune's SIREN: 21 + department + 0 + commune + check digit (metropolitan departments)."""
    return siren[2:4] + siren[5:8]


class Commune(Strict):
    """What ``stacks/communes/<insee>-<slug>/commune.yaml`` says.

    ``cog`` is the year of INSEE's Code officiel géographique that the code is of, where its source says one.
    """

    insee: str
    slug: Slug
    name: str = Field(min_length=1, max_length=80)
    siren: str
    postal_codes: tuple[str, ...] = Field(min_length=1)
    population: Population
    cog: int | None = Field(default=None, ge=1990, le=2100)
    quota_class: ClassOfItsOwn | None = None
    values: dict[str, dict[str, JsonValue]] = Field(default_factory=dict)  # by service
    why: dict[str, Why] = Field(default_factory=dict)  # by service

    @field_validator("insee")
    @classmethod
    def _insee(cls, value: str) -> str:
        if not INSEE.fullmatch(value):
            raise ValueError(
                f"'{value}' is not an INSEE code: five characters such as 67447 (a postal code is another thing)"
            )
        return value

    @field_validator("siren")
    @classmethod
    def _siren(cls, value: str) -> str:
        if not (re.fullmatch(r"\d{9}", value) and luhn(value)):
            raise ValueError(f"'{value}' is not a SIREN: nine digits whose last is a check digit")
        return value

    @field_validator("postal_codes")
    @classmethod
    def _postal_codes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [code for code in value if not re.fullmatch(r"\d{5}", code)]
        if wrong:
            raise ValueError(f"'{wrong[0]}' is not a postal code: five digits")
        return value

    @model_validator(mode="after")
    def _siren_matches_insee(self) -> Commune:
        if (
            _METROPOLITAN.fullmatch(self.insee)
            and self.siren.startswith("21")
            and insee_of_siren(self.siren) != self.insee
        ):
            raise ValueError(
                f"insee {self.insee} does not go with siren {self.siren}, which is {insee_of_siren(self.siren)}'s"
            )
        return self

    @property
    def code(self) -> str:
        """What keys the tenant everywhere: the INSEE code."""
        return self.insee

    @property
    def key(self) -> str:
        """Folder name of the commune: ``67447-schiltigheim``."""
        return f"{self.insee}-{self.slug}"


def clashes(
    commune: Mapping[str, object], others: Iterable[tuple[str, Mapping[str, str]]]
) -> Iterator[tuple[str, Words]]:
    """Keys whose value another tenant has already: ``others`` are their names with their insee, siren and slug."""
    for name, known in others:
        for key, value in known.items():
            if commune.get(key) == value:
                yield key, Words(f"{value} is {name}'s already", f"{value} est déjà celui de {name}")
