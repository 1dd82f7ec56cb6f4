"""The questions that a schema asks a commune, and what an answer typed at a prompt means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from agglo.layers import Key
from agglo.schema import ITEM, Property, Schema, problems, properties
from agglo.words import Lang, Words
from agglo.yaml_text import YamlError, parse_yaml

_SIMPLE = {"string", "integer", "number", "boolean", "null"}


@dataclass(frozen=True)
class Question:
    """One value to ask for; ``now`` is what the commune has when it says nothing."""

    about: Property
    now: JsonValue

    @property
    def key(self) -> Key:
        """Key path of the value."""
        return self.about.key

    def text(self, lang: Lang) -> str:
        """Title, what it is for, and what may be answered."""
        found = self.about
        title = found.text("title", lang) or found.dotted
        choices = found.schema.get("enum")
        one_of = f" [{', '.join(map(str, choices))}]" if isinstance(choices, list) else ""
        return f"{title} – {found.text('description', lang)}{one_of}"

    def answer(self, typed: str) -> JsonValue:
        """The value that ``typed`` means. Raises AnswerError with the reason in words."""
        value = _meant(self.about.schema, typed)
        wrong = problems(self.about.schema, value)
        if wrong:
            raise AnswerError(Words("; ".join(w.en for _, w in wrong), " ; ".join(w.say("fr") for _, w in wrong)))
        return value


class AnswerError(Exception):
    """What was typed is no value for the question; ``words`` say why."""

    def __init__(self, words: Words) -> None:
        super().__init__(words.en)
        self.words = words


def questions(schema: Schema, now: Mapping[str, JsonValue]) -> list[Question]:
    """One question per value that fits on a line: texts, numbers, choices, lists of texts; in the order of the schema.

    Lists of maps, and maps that may be absent as a whole, are for an editor: ``rest`` names them.
    """
    return [Question(p, _at(now, p.key)) for p in _askable(schema)]


def rest(schema: Schema) -> list[Property]:
    """Values that no question asks for: an agent writes them into the file."""
    asked = {p.key for p in _askable(schema)}
    found = [p for p in properties(schema) if ITEM not in p.key and p.key not in asked]
    return [p for p in found if not any(k[: len(p.key)] == p.key for k in asked) and not _below_one(p, found)]


def typed_value(schema: Schema, key: Key, typed: str) -> JsonValue:
    """What ``--set key=typed`` means: as for the question, else as YAML. Raises AnswerError."""
    found = next((p for p in properties(schema) if p.key == key), None)
    if found is None:
        raise AnswerError(Words("is not a value of this service", "n’est pas une valeur de ce service"))
    return _meant(found.schema, typed)


def _askable(schema: Schema) -> Iterator[Property]:
    closed: list[Key] = []
    for found in properties(schema):
        if ITEM in found.key or any(found.key[: len(key)] == key for key in closed):
            continue
        if _is_simple(found.schema) or _is_list_of_texts(found.schema):
            yield found
        elif set(found.types) != {"object"}:
            closed.append(found.key)


def _below_one(found: Property, others: list[Property]) -> bool:
    return any(p.key != found.key and found.key[: len(p.key)] == p.key for p in others)


def _is_simple(schema: Schema) -> bool:
    named = schema.get("type")
    types = {named} if isinstance(named, str) else set(map(str, named)) if isinstance(named, list) else set()
    return "enum" in schema or (bool(types) and types <= _SIMPLE)


def _is_list_of_texts(schema: Schema) -> bool:
    items = schema.get("items")
    return schema.get("type") == "array" and isinstance(items, dict) and items.get("type") == "string"


def _meant(schema: Schema, typed: str) -> JsonValue:
    """A text stays a text; anything else is read as YAML; several texts are parted by semicolons."""
    types = Property((), schema, required=False).types
    if "null" in types and typed.strip() in ("", "null", "~"):
        return None
    if "string" in types:
        return typed
    if _is_list_of_texts(schema) and not typed.lstrip().startswith("["):
        return [part.strip() for part in typed.split(";") if part.strip()]
    try:
        return parse_yaml(typed)[0]
    except YamlError as error:
        raise AnswerError(error.words) from error


def _at(values: Mapping[str, JsonValue], key: Key) -> JsonValue:
    node: JsonValue = dict(values)
    for part in key:
        node = node.get(part) if isinstance(node, dict) else None
    return node
