"""Texts for people in the two languages that agglo speaks: French for communes, English for its operators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

Lang = Literal["fr", "en"]


class Strict(BaseModel):
    """Base of what people write: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Text(Strict):
    """A text for people, French first."""

    fr: str
    en: str

    def say(self, lang: Lang) -> str:
        """The text in one language."""
        return self.fr if lang == "fr" else self.en


@dataclass(frozen=True)
class Words:
    """What agglo itself says: ``fr`` is empty where a message exists in English only (file formats, programs)."""

    en: str
    fr: str = ""

    def say(self, lang: Lang) -> str:
        """The words in one language."""
        return self.fr if lang == "fr" and self.fr else self.en

    def __str__(self) -> str:
        return self.en


NOTHING = Words("")
