"""YAML as people write it: what each word means, on which line it stands, and what is refused with its line."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from agglo.yaml_text import MAX_DEPTH, MAX_KEY, MAX_VALUES, YamlError, parse_yaml


def value(text: str) -> Any:
    return parse_yaml(text)[0]


def error(text: str) -> tuple[int, str, str]:
    """Line, reason in English and in French."""
    with pytest.raises(YamlError) as raised:
        parse_yaml(text)
    return raised.value.line, raised.value.words.say("en"), raised.value.words.say("fr")


@pytest.mark.parametrize(
    "word", ["no", "yes", "on", "off", "y", "N", "No", "YES", "Off", "tRUE", "nULL", "None", "nil"]
)
def test_only_true_and_false_are_booleans(word: str) -> None:
    assert value(word) == word


@pytest.mark.parametrize(
    ("word", "meant"),
    [("true", True), ("True", True), ("TRUE", True), ("false", False), ("FALSE", False),
     ("null", None), ("Null", None), ("NULL", None), ("~", None), ("", None)],
)  # fmt: skip
def test_words_that_are_values(word: str, meant: bool | None) -> None:
    assert value(f"a: {word}") == {"a": meant}
    assert value(f"a: '{word}'") == {"a": word}


@pytest.mark.parametrize(
    ("word", "meant"),
    [("0", 0), ("-19", -19), ("+12", 12), ("007", 7), ("0o14", 12), ("0o7", 7), ("0x1F", 31), ("0xab", 171),
     ("9223372036854775807", 2**63 - 1), ("-9223372036854775807", 1 - 2**63),
     ("0.", 0.0), (".5", 0.5), ("-0.0", -0.0), ("12e03", 12_000.0), ("-2E+05", -200_000.0), ("1e-2", 0.01),
     ("+.5", 0.5)],
)  # fmt: skip
def test_numbers(word: str, meant: float) -> None:
    found = value(f"a: {word}")["a"]
    assert (found, type(found)) == (meant, type(meant))


@pytest.mark.parametrize("word", ["19", "0o14", "1.5", "1e3", "0x1F", "true", "null", "~"])
@pytest.mark.parametrize("quote", ["'", '"'])
def test_what_is_quoted_is_a_text(word: str, quote: str) -> None:
    assert value(f"{quote}{word}{quote}") == word
    assert value(f"a: |-\n  {word}") == {"a": word}


@pytest.mark.parametrize(
    "word",
    ["1_000", "190:20:30", "0b101", "0o8", "0xg", "-0x10", "1e", "e3", ".", "1.2.3", "+", "1,5", "2026-01-01",
     "2026-01-01T10:00:00Z", "2026-01-01 10:00:00", "03 00 00 00 00", "67_000", "=", "<<", "٣"],
)  # fmt: skip
def test_all_else_is_a_text(word: str) -> None:
    assert value(f"a: {word}") == {"a": word}


@pytest.mark.parametrize("word", [".inf", "-.INF", "+.Inf", ".nan", ".NaN", "1e999", "-" + "9" * 400 + ".0"])
def test_numbers_that_json_does_not_know_are_refused(word: str) -> None:
    assert error(f"\na: {word}") == (
        2,
        "holds a number that is not finite; quote it",
        "contient un nombre infini ; mettez-le entre guillemets",
    )


@pytest.mark.parametrize("word", [str(2**63), str(-(2**63)), "0x" + "f" * 16, "1" * 100_000])
def test_numbers_of_more_than_63_bits_are_refused(word: str) -> None:
    assert error(f"\n\na: {word}")[:2] == (3, "holds a number that is too large; quote it")


def test_keys_are_texts() -> None:
    assert value("{1: a, true: b, null: c, ~: d, 1.5: e, no: f, <<: g, '': h}") == dict(
        zip(["1", "true", "null", "~", "1.5", "no", "<<", ""], "abcdefgh", strict=True)
    )


LINES = """\
a: 1

b:
  - x
  - c: 1  # a comment
    d:
      e: {f: 1, g: [1,
        2]}
"h i": |
  several
  lines
? j
:
  k
"""


def test_every_key_and_item_has_its_line() -> None:
    assert {".".join(key): line for key, line in parse_yaml(LINES)[1].items()} == {
        "a": 1, "b": 3, "b.0": 4, "b.1": 5, "b.1.c": 5, "b.1.d": 6, "b.1.d.e": 7, "b.1.d.e.f": 7, "b.1.d.e.g": 7,
        "b.1.d.e.g.0": 7, "b.1.d.e.g.1": 8, "h i": 9, "j": 12,
    }  # fmt: skip


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_are_those_of_an_editor(end: str) -> None:
    text = f"\ufeff# é🏛\ufeff{end}a: 1{end}{end}b: |{end}  x{end}  y{end}c: 2{end}"
    assert parse_yaml(text) == ({"a": 1, "b": "x\ny\n", "c": 2}, {("a",): 2, ("b",): 4, ("c",): 7})


@pytest.mark.parametrize("separator", ["\x85", "\u2028", "\u2029"])
def test_line_breaks_of_yaml_1_1_are_refused(separator: str) -> None:
    line, en, fr = error(f"a: 1\nb: 'x{separator}y'")
    assert line == 2
    assert en == f"holds the control character U+{ord(separator):04X}"
    assert fr == f"contient le caractère de contrôle U+{ord(separator):04X}"


@pytest.mark.parametrize("code", [0, 7, 8, 0x0B, 0x1B, 0x7F, 0x80, 0x9B, 0x9F, 0xD800, 0xDFFF, 0xFFFE])
def test_control_characters_are_refused_raw_and_escaped(code: int) -> None:
    reason = f"holds the control character U+{code:04X}"
    assert error(f"a: 1\n\nb: x{chr(code)}y")[:2] == (3, reason)
    if not 0xD800 <= code <= 0xDFFF:
        assert error(f'a: 1\nb: "\\u{code:04x}"')[:2] == (2, reason)
        assert error(f'a: 1\n"\\u{code:04x}": b')[:2] == (2, reason)


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("a: 1\nb: [1\n", 2, "is not YAML: did not find expected ',' or ']'"),
        ("[", 1, "is not YAML: did not find expected node content"),
        ("a: 1\n\tb: 2\n", 2, "is not YAML: found a tab character that violates indentation"),
        ("a: 1\n b: 2\n", 2, "is not YAML: mapping values are not allowed in this context"),
        ("a: '1\n", 1, "is not YAML: found unexpected end of stream"),
        ('a: 1\nb: "\\ud83d\\ude00"', 2, "is not YAML: found invalid Unicode character escape code"),
        ("a: {:b: 1}", 1, "is not YAML: did not find expected node content"),  # plain in YAML 1.2, not to libyaml
        ("a: 1\nb: {c: 1, c: 2}", 2, "has the key 'c' twice"),
        ("a: 1\nb: 2\n'a': 3", 3, "has the key 'a' twice"),
        ("a: 1\nb: &x 2", 2, "uses an alias (&name, *name); write the value where it is used"),
        ("a: 1\nb: *x", 2, "uses an alias"),
        ("a: &x\n  b: 1", 1, "uses an alias"),
        ("a: 1\nb: !!str 2", 2, "uses a tag (!name); write a plain value"),
        ("a: !x {}\n", 1, "uses a tag"),
        ("a: ! x\n", 1, "uses a tag"),
        ("a: 1\n---\nb: 1\n", 2, "holds more than one document (---)"),
        ("a: 1\n? [b]\n: 1", 2, "has a map or list as a key"),
        ("a: 1\n? {b: 1}\n: 1", 2, "has a map or list as a key"),
    ],
)
def test_an_error_names_the_line(text: str, line: int, reason: str) -> None:
    found, en, fr = error(text)
    assert found == line
    assert en.startswith(reason)
    assert fr != en


def test_what_is_nested_too_deep_is_refused() -> None:
    assert value("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert error("\n" + "[" * (MAX_DEPTH + 1))[:2] == (2, f"is nested deeper than {MAX_DEPTH} levels")
    assert error("".join(f"{' ' * n}a:\n" for n in range(MAX_DEPTH + 1)))[0] == MAX_DEPTH + 1


def test_what_holds_too_much_is_refused() -> None:
    assert len(value("- x\n" * MAX_VALUES)) == MAX_VALUES
    assert error("- x\n" * (MAX_VALUES + 1))[:2] == (MAX_VALUES + 1, f"holds more than {MAX_VALUES} values")
    assert error("".join(f"k{n}: 1\n" for n in range(MAX_VALUES + 1)))[0] == MAX_VALUES + 1


def test_a_key_that_is_too_long_is_refused() -> None:
    assert value(f"{'k' * MAX_KEY}: 1")
    assert error(f"a: 1\n? {'k' * (MAX_KEY + 1)}\n: 1")[:2] == (2, f"has a key longer than {MAX_KEY} characters")


@pytest.mark.parametrize("text", ["", " ", "\n\n", "# nothing\n", "---\n", "--- ~\n...\n", "\ufeff"])
def test_an_empty_document_is_null(text: str) -> None:
    assert parse_yaml(text) == (None, {})


CHARACTERS = st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\u2028\u2029\ufffe\uffff")
LINES_TOO = CHARACTERS | st.sampled_from("\n\t\u00a0'\":#-{}[],&*!|>%@`?~<= ")
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(1 - 2**63, 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(LINES_TOO, max_size=20),
    st.sampled_from(
        ["no", "null", "~", "1e3", "0o17", "0x1F", ".5", "-.inf", "2026-01-01", "1_000", "<<", "", " x ", "- a"]
    ),
)
VALUES = st.recursive(
    SCALARS,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(CHARACTERS, max_size=8), below, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_json_is_yaml(data: Any) -> None:
    assert repr(value(json.dumps(data, ensure_ascii=False))) == repr(data)
    assert repr(value(json.dumps(data, ensure_ascii=False, indent=1))) == repr(data)


@given(VALUES)
def test_what_a_yaml_1_2_writer_writes_is_read_back(data: Any) -> None:
    out = io.StringIO()
    YAML().dump(data, out)
    assert repr(value(out.getvalue())) == repr(data)


@given(st.text())
def test_any_text_is_a_value_or_an_error_with_words(text: str) -> None:
    try:
        parse_yaml(text)
    except YamlError as error:
        assert error.words.en
        assert error.words.fr
        assert 0 <= error.line <= len(text.split("\n"))
