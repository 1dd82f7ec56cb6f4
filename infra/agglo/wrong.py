"""Why a value is refused, in words that a commune's agent understands, in French and in English."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from jsonschema_rs import ValidationError

from agglo.layers import Key
from agglo.words import Words

_TYPES = {
    "string": ("text", "un texte"),
    "integer": ("a whole number", "un nombre entier"),
    "number": ("a number", "un nombre"),
    "boolean": ("true or false", "true (oui) ou false (non)"),
    "array": ("a list", "une liste"),
    "object": ("a map of values", "un groupe de valeurs"),
    "null": ("null (nothing)", "null (rien)"),
}
_FORMATS = {
    "email": ("an e-mail address", "une adresse de courriel"),
    "uri": ("an address such as https://example.fr/", "une adresse telle que https://exemple.fr/"),
    "date": ("a date such as 2026-12-31", "une date telle que 2026-12-31"),
    "date-time": ("a date and time such as 2026-12-31T18:00:00Z", "une date et heure telle que 2026-12-31T18:00:00Z"),
    "time": ("a time such as 18:00:00Z", "une heure telle que 18:00:00Z"),
}


def explain(error: ValidationError, schema: Mapping[str, Any]) -> list[tuple[Key, Words]]:
    """One refusal of the validator as words; ``schema`` is the part that refused.

    Each unknown or missing value is a problem of its own, at its own key (relative to the refused one).
    """
    known = list(schema.get("properties", {}))
    facts = error.kind.as_dict()
    if error.kind.name in ("additionalProperties", "unevaluatedProperties"):
        return [((name,), _unknown(name, known)) for name in sorted(facts["unexpected"])]
    if error.kind.name == "required":
        return [((str(facts["property"]),), Words("is missing", "manque"))]
    say = _WORDS.get(error.kind.name)
    return [((), say(facts, error.instance, schema) if say else Words(error.message.splitlines()[0]))]


def nearest(word: str, known: Iterable[str]) -> str:
    """`` (did you mean 'x'?)`` or nothing."""
    close = closest(word, known)
    return f" (did you mean '{close}'?)" if close else ""


def nearest_fr(word: str, known: Iterable[str]) -> str:
    """The same in French."""
    close = closest(word, known)
    return f" (vouliez-vous dire « {close} » ?)" if close else ""


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word that looks most like ``word``, if one does."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1)), None)


def _unknown(name: str, known: Sequence[str]) -> Words:
    return Words(
        f"unknown value '{name}'{nearest(name, known)}", f"valeur inconnue « {name} »{nearest_fr(name, known)}"
    )


def _short(value: Any) -> str:
    text = repr(value) if not isinstance(value, str) else value
    return text if len(text) <= 40 else f"{text[:39]}…"


def _type(facts: Mapping[str, Any], value: Any, _: Mapping[str, Any]) -> Words:
    wanted = [_TYPES.get(name, (name, name)) for name in facts["types"]]
    en, fr = " or ".join(w[0] for w in wanted), " ou ".join(w[1] for w in wanted)
    return Words(f"{en} is expected, not {_short(value)}", f"on attend {fr}, pas {_short(value)}")


def _enum(facts: Mapping[str, Any], value: Any, _: Mapping[str, Any]) -> Words:
    options = [_short(option) for option in facts["options"]]
    shown = _short(value)
    return Words(
        f"'{shown}' is not one of {', '.join(options)}{nearest(str(value), options)}",
        f"« {shown} » n’est pas l’une des valeurs {', '.join(options)}{nearest_fr(str(value), options)}",
    )


def _pattern(facts: Mapping[str, Any], value: Any, schema: Mapping[str, Any]) -> Words:
    hint = str(schema.get("description") or facts["pattern"])
    shown = _short(value)
    return Words(
        f"'{shown}' does not have the expected form {facts['pattern']}",
        f"« {shown} » n’a pas la forme attendue : {hint}",
    )


def _format(facts: Mapping[str, Any], value: Any, _: Mapping[str, Any]) -> Words:
    en, fr = _FORMATS.get(facts["format"], (facts["format"], facts["format"]))
    return Words(f"'{_short(value)}' is not {en}", f"« {_short(value)} » n’est pas {fr}")


def _limit(en: str, fr: str) -> Callable[[Mapping[str, Any], Any, Mapping[str, Any]], Words]:
    def say(facts: Mapping[str, Any], value: Any, _: Mapping[str, Any]) -> Words:
        size = len(value) if isinstance(value, str | list | dict) else value
        limit = next(iter(facts.values()))
        return Words(en.format(limit=limit, size=size), fr.format(limit=limit, size=size))

    return say


_WORDS: Mapping[str, Callable[[Mapping[str, Any], Any, Mapping[str, Any]], Words]] = {
    "type": _type,
    "enum": _enum,
    "pattern": _pattern,
    "format": _format,
    "minLength": _limit("at least {limit} characters, not {size}", "au moins {limit} caractère(s), pas {size}"),
    "maxLength": _limit("at most {limit} characters, not {size}", "au plus {limit} caractères, pas {size}"),
    "minItems": _limit("at least {limit} items, not {size}", "au moins {limit} élément(s), pas {size}"),
    "maxItems": _limit("at most {limit} items, not {size}", "au plus {limit} éléments, pas {size}"),
    "minProperties": _limit("at least {limit} values, not {size}", "au moins {limit} valeur(s), pas {size}"),
    "maxProperties": _limit("at most {limit} values, not {size}", "au plus {limit} valeurs, pas {size}"),
    "minimum": _limit("{size} is less than {limit}", "{size} est inférieur à {limit}"),
    "maximum": _limit("{size} is more than {limit}", "{size} est supérieur à {limit}"),
    "exclusiveMinimum": _limit("{size} is not more than {limit}", "{size} n’est pas supérieur à {limit}"),
    "exclusiveMaximum": _limit("{size} is not less than {limit}", "{size} n’est pas inférieur à {limit}"),
    "multipleOf": _limit("{size} is not a multiple of {limit}", "{size} n’est pas un multiple de {limit}"),
    "uniqueItems": lambda *_: Words("an item is there twice", "un élément est présent deux fois"),
    "const": _limit("only {limit} is accepted", "seul {limit} est accepté"),
}
