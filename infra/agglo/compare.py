"""What differs between two releases of a service: for each difference, how heavy it is and what it means in words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

from pydantic import JsonValue

from agglo.catalog import Release
from agglo.layers import Key
from agglo.schema import ITEM, Property, properties
from agglo.words import Words

_LOOSER_WHEN_MORE = ("maxLength", "maxItems", "maximum", "exclusiveMaximum", "maxProperties")
_LOOSER_WHEN_LESS = ("minLength", "minItems", "minimum", "exclusiveMinimum", "minProperties")
_TEXTS = {"title", "description", "x-i18n", "examples", "$comment", "deprecated", "readOnly", "writeOnly"}
_ELSEWHERE = {"properties", "required", "default"}  # compared by value, not by constraint

_MODES = {"dedicated": "dédié", "shared": "mutualisé"}


class Weight(IntEnum):
    """What a difference asks for: nothing, nothing but there is something new, or that somebody acts."""

    PATCH = 0
    MINOR = 1
    MAJOR = 2


@dataclass(frozen=True)
class Difference:
    """One difference; ``key`` is the value's, where it is one of a value."""

    weight: Weight
    words: Words
    key: Key = ()


def differences(old: Release, new: Release) -> list[Difference]:
    """All differences from ``old`` to ``new``, the heaviest first."""
    found = [*_values(old, new), *_manifests(old, new)]
    return sorted(found, key=lambda d: -d.weight)


def _values(old: Release, new: Release) -> Iterator[Difference]:
    before = {p.key: p for p in properties(old.schema)}
    after = {p.key: p for p in properties(new.schema)}
    for key, gone in before.items():
        if key not in after and _above(key) not in before.keys() - after.keys():
            yield _value(Weight.MAJOR, gone, "{} is no longer a value", "{} n’est plus une valeur")
    for key, added in after.items():
        if key not in before and (not _above(key) or _above(key) in before):
            yield _added(added)
        elif key in before:
            yield from _changed(before[key], added)


def _above(key: Key) -> Key:
    """The value that ``key`` is a part of: for a value of a list's items, the list."""
    above = key[:-1]
    while above[-1:] == (ITEM,):
        above = above[:-1]
    return above


def _added(new: Property) -> Difference:
    title_en, title_fr = new.text("title", "en"), new.text("title", "fr")
    if new.required and ("default" not in new.schema or ITEM in new.key):  # no default reaches into a list
        return _value(
            Weight.MAJOR, new, f"{{}} must now be given ({title_en})", f"{{}} doit être renseignée ({title_fr})"
        )
    return _value(Weight.MINOR, new, f"{{}} is new ({title_en})", f"{{}} est nouvelle ({title_fr})")


def _changed(old: Property, new: Property) -> Iterator[Difference]:
    if new.required and not old.required:
        yield _value(Weight.MAJOR, new, "{} must now be given", "{} doit désormais être renseignée")
    if old.required and not new.required:
        yield _value(Weight.MINOR, new, "{} may be left out now", "{} devient facultative")
    if old.schema.get("default") != new.schema.get("default"):
        was, now = _short(old.schema.get("default")), _short(new.schema.get("default"))
        yield _value(Weight.MINOR, new, f"{{}}: the default {was} becomes {now}",
                     f"{{}} : la valeur par défaut {was} devient {now}")  # fmt: skip
    yield from _constraints(old, new)


def _constraints(old: Property, new: Property) -> Iterator[Difference]:
    """What a value must be: tighter is heavy, looser is light; what cannot be ordered counts as tighter."""
    for name in sorted((set(old.schema) | set(new.schema)) - _TEXTS - _ELSEWHERE):
        was, now = old.schema.get(name), new.schema.get(name)
        if was == now:
            continue
        if name == "items" and isinstance(was, dict) and isinstance(now, dict):
            yield from _constraints(Property((*old.key, ITEM), was, False), Property((*new.key, ITEM), now, False))
            continue
        weight = Weight.MINOR if _looser(name, was, now) else Weight.MAJOR
        verb_en = "accepts more" if weight is Weight.MINOR else "accepts less, or other things"
        verb_fr = "accepte davantage" if weight is Weight.MINOR else "accepte moins, ou autre chose"
        detail = f"{name}: {_short(was)} → {_short(now)}"
        yield _value(weight, new, f"{{}} {verb_en} ({detail})", f"{{}} {verb_fr} ({detail})")


def _looser(name: str, was: JsonValue, now: JsonValue) -> bool:
    if now is None or (name == "additionalProperties" and now is True):
        return True
    if was is None:
        return False
    if name in ("enum", "type"):
        return _set(was) <= _set(now) | ({'"integer"'} if '"number"' in _set(now) else set())
    if name == "uniqueItems":
        return now is not True
    if isinstance(was, int | float) and isinstance(now, int | float):
        return (name in _LOOSER_WHEN_MORE and now >= was) or (name in _LOOSER_WHEN_LESS and now <= was)
    return False


def _set(value: JsonValue) -> set[str]:
    return {json.dumps(item) for item in (value if isinstance(value, list) else [value])}


def _manifests(old: Release, new: Release) -> Iterator[Difference]:
    was, now = old.manifest, new.manifest
    if was.web.host != now.web.host:
        yield _note(Weight.MAJOR, f"the address begins with {now.web.host}, no longer with {was.web.host}",
                    f"l’adresse commence par {now.web.host} et non plus par {was.web.host}")  # fmt: skip
    for tenancy in sorted(set(was.tenancy) - set(now.tenancy)):
        yield _note(Weight.MAJOR, f"it is no longer offered {tenancy}", f"le mode {_MODES[tenancy]} n’est plus proposé")
    for tenancy in sorted(set(now.tenancy) - set(was.tenancy)):
        yield _note(
            Weight.MINOR, f"it is now offered {tenancy} as well", f"le mode {_MODES[tenancy]} est désormais proposé"
        )
    for service, wanted in sorted(now.requires.services.items()):
        if was.requires.services.get(service) != wanted:
            yield _note(Weight.MAJOR, f"it needs {service} {wanted}", f"il a besoin de {service} {wanted}")
    for service in sorted(set(was.requires.services) - set(now.requires.services)):
        yield _note(Weight.PATCH, f"it no longer needs {service}", f"il n’a plus besoin de {service}")
    if (was.upstream.name, was.upstream.version) != (now.upstream.name, now.upstream.version):
        shown = f"{now.upstream.name} {now.upstream.version}"
        yield _note(Weight.PATCH, f"the software is {shown} now", f"le logiciel est désormais {shown}")
    if was.upstream.licence != now.upstream.licence:
        yield _note(
            Weight.MAJOR,
            f"the licence is {now.upstream.licence} now",
            f"la licence est désormais {now.upstream.licence}",
        )
    yield from _listed("secret", "secret", [s.name for s in was.secrets], [s.name for s in now.secrets])
    yield from _processing(old, new)
    if was.resources.flavor != now.resources.flavor:
        yield _note(
            Weight.MINOR, f"the server is a {now.resources.flavor}", f"le serveur est un {now.resources.flavor}"
        )
    for migration in now.upgrade.migrations:
        yield _note(Weight.PATCH, f"migration {migration.name}: {migration.summary.en}",
                    f"migration {migration.name} : {migration.summary.fr}")  # fmt: skip


def _processing(old: Release, new: Release) -> Iterator[Difference]:
    """Personal data that a service begins or ends to process: communes keep a register of it (GDPR, article 30)."""
    was = {p.name.fr: p for p in old.manifest.personal_data.processing}
    now = {p.name.fr: p for p in new.manifest.personal_data.processing}
    for name in sorted(now.keys() | was.keys()):
        if was.get(name) == now.get(name):
            continue
        shown = (now.get(name) or was[name]).name
        if name not in was:
            yield _note(Weight.MINOR, f"new processing of personal data: {shown.en}",
                        f"nouveau traitement de données personnelles : {shown.fr}")  # fmt: skip
        elif name not in now:
            yield _note(Weight.PATCH, f"ended processing of personal data: {shown.en}",
                        f"fin d’un traitement de données personnelles : {shown.fr}")  # fmt: skip
        else:
            yield _note(Weight.MINOR, f"processing of personal data changes: {shown.en}",
                        f"un traitement de données personnelles change : {shown.fr}")  # fmt: skip


def _listed(en: str, fr: str, was: list[str], now: list[str]) -> Iterator[Difference]:
    for name in sorted(set(now) - set(was)):
        yield _note(Weight.MINOR, f"new {en} {name}", f"nouveau {fr} {name}")
    for name in sorted(set(was) - set(now)):
        yield _note(Weight.PATCH, f"{en} {name} is gone", f"{fr} {name} supprimé")


def _value(weight: Weight, found: Property, en: str, fr: str) -> Difference:
    key = found.dotted  # not format(): defaults and patterns hold braces of their own
    return Difference(weight, Words(en.replace("{}", key, 1), fr.replace("{}", key, 1)), found.key)


def _note(weight: Weight, en: str, fr: str) -> Difference:
    return Difference(weight, Words(en, fr))


def _short(value: JsonValue) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:39]}…"


def by_weight(found: list[Difference]) -> Mapping[Weight, list[Difference]]:
    """The differences by weight, the heaviest first; only weights that there are."""
    grouped: dict[Weight, list[Difference]] = {}
    for difference in sorted(found, key=lambda d: -d.weight):
        grouped.setdefault(difference.weight, []).append(difference)
    return grouped
