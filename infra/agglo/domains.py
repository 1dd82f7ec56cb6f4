"""Host names that communes own: their form, where they lead, and what to write in the DNS. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address

from agglo.words import Words

_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")


@dataclass(frozen=True)
class Answer:
    """What the DNS says of a name: its ``aliases`` in order, and all ``addresses`` (IPv4 and IPv6) at their end."""

    aliases: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class Own:
    """A name that a commune owns, for what is at ``host``; the edges are at ``edge``."""

    name: str
    host: str
    edge: IPv4Address

    @property
    def record(self) -> str:
        """What the commune writes in its zone; two labels are a zone of their own, which cannot be an alias."""
        if self.name.count(".") == 1:
            return f"{self.name}. 3600 IN A {self.edge}"
        return f"{self.name}. 3600 IN CNAME {self.host}."

    def leads_here(self, answer: Answer) -> bool:
        """True when every visitor who opens the name comes to the edges: a certificate can be had."""
        return set(answer.addresses) == {str(self.edge)}

    def state(self, answer: Answer) -> Words:
        """Where the name leads."""
        if self.leads_here(answer):
            return Words("leads to the edges", "mène au service")
        if answer.error:
            return Words(f"could not be looked up: {answer.error}", f"n’a pas pu être résolu : {answer.error}")
        found = ", ".join([*answer.aliases, *answer.addresses])
        if not found:
            return Words("is not in the DNS", "n’existe pas dans le DNS")
        return Words(f"leads to {found}, not to {self.edge}", f"mène à {found}, pas à {self.edge}")

    def note(self, answer: Answer) -> Words | None:
        """What to tell while the name does not lead here."""
        if self.leads_here(answer):
            return None
        state = self.state(answer)
        return Words(
            f"{self.name} {state.en}: it has no certificate yet (agglo domain check)",
            f"{self.name} {state.fr} : pas encore de certificat (agglo domain check)",
        )

    @property
    def instruction(self) -> Words:
        """What the commune is asked to do; ``record`` follows."""
        return Words(
            f"At the registrar of your domain, replace all records of {self.name} by:",
            f"Chez le gestionnaire de votre nom de domaine, remplacez tous les enregistrements de {self.name} par :",
        )


def wrong(name: str, zone: str) -> Words | None:
    """What is wrong with a name that a commune gives, below no ``zone`` of the metropolis; None: nothing."""
    if name == zone or name.endswith(f".{zone}"):
        return Words(f"{name} is inside {zone}, the metropolis's", f"{name} est dans {zone}, de la métropole")
    labels = name.split(".")
    good = len(name) <= 253 and len(labels) > 1 and all(map(_LABEL.fullmatch, labels)) and not labels[-1].isdigit()
    if good:
        return None
    return Words(
        f"'{name}' is no host name: write it as www.example.fr, in lower case; accents as xn--…",
        f"« {name} » n’est pas un nom : écrivez-le comme www.exemple.fr, en minuscules ; les accents en xn--…",
    )
