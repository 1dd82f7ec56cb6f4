"""10,000 request files made to do harm: each is refused in plain words, or is a request like any other.

Every file has its own random numbers: ``hostile(category, index)`` makes one again, and failures name both.
"""

from __future__ import annotations

import json
import os
import signal
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

import pytest
from markupsafe import escape

from agglo import review
from agglo.adapters.files import load_project
from agglo.adapters.models import MAX_BYTES, read_model
from agglo.errors import InvalidInput, Problem
from agglo.guest import instance_guest, inventory, render_files, template_context
from agglo.project import Project
from agglo.request import Request, RequestFile
from agglo_cli import main as cli_main
from tests.trees import metropolis

SEED = "agglo"
TOTAL = 10_000
PATIENCE = 20  # seconds for one file: what takes longer hangs
RENDERED = 40  # valid requests of each category whose files are rendered
CANARY = "agglo-canary"  # the file that the payloads try to make

TEXT = """\
# Schiltigheim demande son portail.
service: portal
version: 1.0.0
values:
  tagline: Bienvenue à Schilick.  # décidé en conseil
  theme: {accent: "#8a1538"}
  alert:
    level: info
    title: Mairie fermée vendredi
    text: "L’accueil reste joignable."
  town_hall:
    address: [Hôtel de ville, 110 route de Bischwiller]
    phone: 03 00 00 00 00
    email: mairie@exemple.fr
  opening_hours:
    - days: Du lundi au jeudi
      hours: 8 h – 12 h
  services:
    - {title: Salles, summary: Réservez une salle., url: "https://exemple.fr/salles"}
  legal:
    director: Camille Exemple
why:
  tagline: Une phrase en alsacien.
"""
DATA: dict[str, Any] = {
    "service": "portal",
    "version": "1.0.0",
    "tenancy": "dedicated",
    "values": {
        "tagline": "Bienvenue à Schilick.",
        "tagline_en": "Welcome.",
        "theme": {"accent": "#8a1538"},
        "alert": {"level": "info", "title": "Fermé", "text": "Vendredi.", "url": "https://exemple.fr/"},
        "town_hall": {"address": ["Hôtel de ville"], "phone": "03 00 00 00 00", "email": "mairie@exemple.fr"},
        "opening_hours": [{"days": "Lundi", "hours": "8 h – 12 h"}],
        "services": [{"title": "Salles", "summary": "Une salle.", "url": "https://exemple.fr/", "title_en": "Rooms"}],
        "legal": {"director": "Camille", "dpo_email": "dpo@exemple.fr", "accessibility": "non conforme"},
    },
    "why": {"tagline": {"reason": "En alsacien.", "until": "2027-01-01"}},
}

Made = str | bytes
Make = Callable[[Random], Made]


@dataclass(frozen=True)
class Category:
    """One kind of hostile file; ``valid``: some of them are requests like any other."""

    make: Make
    count: int
    valid: bool


CATEGORIES: dict[str, Category] = {}


def category(count: int, *, valid: bool = False) -> Callable[[Make], Make]:
    def register(make: Make) -> Make:
        CATEGORIES[make.__name__] = Category(make, count, valid)
        return make

    return register


def hostile(name: str, index: int) -> bytes:
    """One file, always the same."""
    made = CATEGORIES[name].make(Random(f"{SEED}/{name}/{index}"))
    return made if isinstance(made, bytes) else made.encode("utf-8", "surrogatepass")


def places(node: Any, prefix: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of everything inside."""
    inside = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, below in inside:
        yield (*prefix, key)
        yield from places(below, (*prefix, key))


def put(data: Any, place: tuple[str | int, ...], value: Any) -> None:
    for part in place[:-1]:
        data = data[part]
    data[place[-1]] = value


def with_value(place: tuple[str | int, ...], value: Any) -> str:
    """The good request with something else in one place."""
    data = deepcopy(DATA)
    put(data, place, value)
    return json.dumps(data, ensure_ascii=False)


PLACES = list(places(DATA))
TEXTS: list[tuple[str | int, ...]] = [  # free texts that the portal shows
    ("values", "tagline"), ("values", "tagline_en"), ("values", "alert", "title"), ("values", "alert", "text"),
    ("values", "town_hall", "address", 0), ("values", "opening_hours", 0, "days"),
    ("values", "opening_hours", 0, "hours"), ("values", "services", 0, "title"), ("values", "services", 0, "summary"),
    ("values", "services", 0, "title_en"), ("values", "legal", "director"),
]  # fmt: skip
JUNK: list[Any] = [
    None, True, False, 0, -1, 1.5, -0.0, 1e300, 2**62, -(2**63) + 1, "", " ", "x", "#8a1538", "1.0.0", "null", [], {},
    [[]], [{}], {"": ""}, {"a": {"b": {"c": []}}}, [1, "a", None, True], "2026-02-30", "x" * 500, ["x"] * 30,
    {"reason": "x"}, {"level": "info"}, {str(n): n for n in range(30)}, "https://exemple.fr/ \"><script>", "\t", "\n",
]  # fmt: skip


@category(900, valid=True)
def wrong_types(r: Random) -> Made:
    data = deepcopy(DATA)
    for _ in range(r.choice((1, 1, 1, 2, 3))):
        put(data, r.choice(list(places(data))), deepcopy(r.choice(JUNK)))
    return json.dumps(data, ensure_ascii=False)


@category(100, valid=True)
def huge(r: Random) -> Made:
    many, size = (
        r.choice((300, 1_500, 6_000, 60_000)),
        r.choice((9_000, 500_000, MAX_BYTES - 500, MAX_BYTES, 1_200_000)),
    )
    return r.choice(
        [
            lambda: with_value(r.choice(PLACES), "é" * (size // 2)),
            lambda: with_value(r.choice(PLACES), ["x"] * many),
            lambda: with_value(r.choice(PLACES), {f"k{n}": n for n in range(many)}),
            lambda: with_value(("version",), "1.0.0-" + r.choice("a0.") * size),
            lambda: f"service: portal\nversion: {'9' * size}.0.0\n",
            lambda: f"values: {{tagline: {r.choice('-19')}{'1' * size}{r.choice(('', '.5', 'e9'))}}}\n",
            lambda: f"service: portal\nrefused: {{why: non, date: {'1' * r.randint(9, 40)}}}\n",
            lambda: f"? {'k' * size}\n: 1\n",
            lambda: TEXT + "".join(f"  k{n}: parce que\n" for n in range(many)),
            lambda: TEXT + r.choice(("#", " ", "\n", "'", '"', "[", "{", "- ", "? ", "a: ", "&a ", "!", "|")) * size,
        ]
    )()


@category(500, valid=True)
def deep(r: Random) -> Made:
    depth = r.choice((30, 37, 41, 100, 1_000, 20_000))
    low = min(depth, 300)
    return r.choice(
        [
            f"values: {'[' * depth}{']' * depth}",
            f"values: {'{a: ' * depth}1{'}' * depth}",
            "[" * depth,
            "{" * depth,
            "- " * depth + "x",
            "".join(f"{' ' * n}a:\n" for n in range(low)),
            "".join(f"{' ' * n}- \n" for n in range(low)),
            "? " * depth,
            "a: " * depth,
            "[{" * depth,
            with_value(r.choice(TEXTS), "[" * min(depth, 100)),
        ]
    )


@category(500, valid=True)
def aliases(r: Random) -> Made:
    levels = r.randint(2, 60)
    lists = "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, levels))
    maps = "".join(f"a{n}: &a{n} {{x: *a{n - 1}, y: *a{n - 1}}}\n" for n in range(1, levels))
    place = r.choice(("values", "why", "version", "service", "<<", "refused"))
    return r.choice(
        [
            f"a0: &a0 lol\n{lists}{TEXT}",
            f"a0: &a0 {{z: lol}}\n{maps}{TEXT}",
            TEXT + f"{place}: &x [*x]\n",
            TEXT.replace("service: portal", "service: &s portal"),
            TEXT + f"{place}: *nothing\n",
            TEXT.replace("values:", "values: &v"),
            f"&top {{service: portal, version: 1.0.0, {place}: *top}}",
            f"base: &b {{service: portal}}\n<<: *b\n{place}: {{<<: *b}}\n",
            f"<<: [{{service: portal}}, {{version: 1.0.0}}]\n{place}: {{}}\n",
            with_value(r.choice(TEXTS), r.choice(("&a b", "*a", "<<", "&", "* * *"))),
        ]
    )


BAD = "".join(
    map(chr, [*range(32), *range(0x7F, 0xA0), 0x200B, 0x2028, 0x2029, 0xD800, 0xDBFF, 0xDFFF, 0xFEFF, 0xFFFE])
)


@category(800, valid=True)
def control_characters(r: Random) -> Made:
    bad = r.choice(BAD)
    at = r.randrange(len(TEXT))
    code = f"\\u{ord(bad):04x}" if ord(bad) > 0xFF or r.random() < 0.5 else f"\\x{ord(bad):02x}"
    return r.choice(
        [
            TEXT[:at] + bad + TEXT[at:],
            TEXT[:at] + bad * r.randint(1, 50) + TEXT[at:],
            TEXT.replace("joignable", f"joignable{code}"),
            TEXT.replace("joignable", r.choice((r"\0", r"\e[31m", r"\x9b31m", r"\ud83d\ude00", r"\U00110000", r"\L"))),
            with_value(r.choice(PLACES), f"a{bad}b"),
            json.dumps({**DATA, f"a{bad}": 1}),
            TEXT.replace("  ", "\t"),
            TEXT.replace("\n", r.choice(("\r", "\r\n", "\n\r", "\0\n", "\x0b", "\x85"))),
        ]
    )  # fmt: skip


@category(500, valid=True)
def encodings(r: Random) -> Made:
    codec = r.choice(("latin-1", "cp1252", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be",
                      "utf-8-sig", "utf-7", "cp037", "shift_jis", "mac-roman", "iso8859-15"))  # fmt: skip
    marks = (b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"\xef\xbb\xbf" * 2, b"\0\0\xfe\xff", b"\xff\xfe\0\0", b"")
    content = TEXT.encode(codec, "replace")
    overlong = TEXT.encode().replace(
        b"portal", r.choice((b"\xc1\xb0ortal", b"p\xed\xa0\x80rtal", b"\xf8\x88\x80\x80\x80"))
    )
    return r.choice([content, content, r.choice(marks) + content, r.choice(marks) + TEXT.encode(), overlong])


TAGS = (
    "!!python/object/apply:os.system", "!!python/object/new:subprocess.Popen", "!!python/name:os.system",
    "!!python/module:os", "!!python/object/apply:builtins.eval", "!!python/tuple", "!!binary", "!!timestamp", "!!set",
    "!!omap", "!!str", "!!int", "!!float", "!!null", "!!map", "!", "!local", "!vault", "!unsafe", "!ENV",
    "!<tag:yaml.org,2002:python/object/apply:os.system>", "!!js/function", "!ruby/object:Gem::Installer", "!e!x",
)  # fmt: skip


@category(600)
def tags(r: Random) -> Made:
    tag = r.choice(TAGS)
    code = f"touch {CANARY}"
    return r.choice(
        [
            f"{tag} ['{code}']",
            f"{TEXT}refused: {tag} ['{code}']\n",
            TEXT.replace("portal\n", f"{tag} portal\n", 1),
            TEXT.replace("values:", f"values: {tag}"),
            f'{TEXT}{tag} x: "{code}"\n',
            f'values: {{tagline: {tag} "{b64encode(code.encode()).decode()}"}}',
            f"%TAG !e! tag:example.org,2002:\n---\n{TEXT}x: {tag} y\n",
            f"{tag} {{args: ['{code}'], kwds: {{shell: true}}}}",
            f"why: {tag}\n  tagline: {code}\n",
        ]
    )


@category(500, valid=True)
def documents_and_doubles(r: Random) -> Made:
    line = r.choice(TEXT.splitlines()[1:])
    return r.choice(
        [
            f"{TEXT}---\n{TEXT}",
            "---\n" * r.randint(2, 500) + TEXT,
            f"{TEXT}...\n---\nx: 1\n",
            f"{TEXT}...\n{TEXT}",
            TEXT.replace(line, f"{line}\n{line}"),
            f"{TEXT}service: autre\n",
            json.dumps(DATA)[:-1] + ', "values": {}}',
            TEXT.replace("days: Du", r.choice(('"days": x\n      days: Du', "hours: x\n      days: Du"))),
            f"%YAML {r.choice(('1.1', '1.3', '2.0', 'x'))}\n{r.choice(('', '---'))}\n{TEXT}%YAML 1.2\n",
            f"{TEXT}\n\t---",
        ]
    )


KEYS = (
    "1", "1.5", "null", "~", "true", "no", "[a, b]", "{a: 1}", "? [a]\n", "<<", "''", '""', "-", "=", "2026-01-01",
    "__class__", "__init__", "model_config", "self", "values.tagline", ".", "..", "../x", "a b", "'a: b'", '"a\\nb"',
    "é", "🏛", "k" * 199, "k" * 201, "k" * 1_100, "? " + "k" * 2_000 + "\n", "service ", "Service", "valeurs", "from",
    "$ref", "#", "@", "`", "%", "|",
)  # fmt: skip


@category(500, valid=True)
def odd_keys(r: Random) -> Made:
    key, value = r.choice(KEYS), r.choice(("1", "{}", "[]", "x", "", "{a: 1}"))
    return r.choice(
        [
            f"{TEXT}{key}: {value}\n",
            f"{key}: {value}\n{TEXT}",
            TEXT.replace("values:\n", f"values:\n  {key}: {value}\n"),
            TEXT.replace("  legal:\n", f"  legal:\n    {key}: {value}\n"),
            f"{TEXT}  {key}: {r.choice(('parce que', value))}\n",
            f"{{{key}: {value}, {key}: {value}}}",
            f"{TEXT}refused: {{{key}: {value}}}\n",
        ]
    )


@category(600, valid=True)
def broken_indentation(r: Random) -> Made:
    lines = TEXT.splitlines()
    for _ in range(r.choice((1, 1, 2, 5))):
        at = r.randrange(len(lines))
        line = lines[at]
        moved = (" " * r.randint(1, 9) + line, line.lstrip(), "\t" + line, line[1:], "- " + line)
        lines[at] = r.choice((*moved, line + ":", line.replace(": ", ":"), line + "\n  x"))
    return "\n".join(lines) + r.choice(("\n", ""))


@category(500, valid=True)
def truncated(r: Random) -> Made:
    content = r.choice((TEXT, json.dumps(DATA), json.dumps(DATA, indent=1, ensure_ascii=False))).encode()
    start = r.choice((0, 0, r.randrange(20)))
    return content[start : r.randrange(len(content))]


@category(500)
def random_bytes(r: Random) -> Made:
    size = r.choice((0, 1, 2, 3, 10, 100, 1_000))
    likely = ":-?[]{},&*!|>'\"%@`#~ \n\t\\0aé"
    text = "".join(r.choice(likely) for _ in range(size)).encode()
    return r.choice([r.randbytes(size), text, b"service: portal\n" + text, b"\x80PNG\r\n\x1a\n" + r.randbytes(size)])


@category(1_200, valid=True)
def mutations(r: Random) -> Made:
    content = bytearray(TEXT.encode())
    for _ in range(r.choice((1, 1, 2, 3, 8))):
        at, other = r.randrange(len(content)), r.randrange(len(content))
        kind = r.randrange(6)
        if kind == 0:
            content[at] ^= 1 << r.randrange(8)
        elif kind == 1:
            content[at:at] = r.choice(
                (b":", b"-", b"{", b"}", b"[", b'"', b"'", b"\n", b"\t", b"#", b"&", b"*", b"!", b"\0")
            )
        elif kind == 2:
            del content[at : at + r.randint(1, 5)]
        elif kind == 3:
            content[at:at] = content[other : other + 20]
        elif kind == 4:
            content[at], content[other] = content[other], content[at]
        else:
            content[at:at] = r.choice((b"\xc3\xa9", b"\xff", b"\xf0\x9f\x92\xa3", b"\xe2\x80\xae", b" ", b"0"))
    return bytes(content)


CODE = f"touch {CANARY}"
PAYLOADS = (
    f"{{{{ lookup('pipe', '{CODE}') }}}}", f"{{{{ lookup(\"ansible.builtin.pipe\", \"{CODE}\") }}}}",
    f"{{{{ cycler.__init__.__globals__.os.system('{CODE}') }}}}",
    f"{{{{ ''.__class__.__mro__[1].__subclasses__() }}}} {CANARY}", f"{{% import os %}}{{{{ os.system('{CODE}') }}}}",
    f"{{% for x in range(10**9) %}}{CANARY}{{% endfor %}}", f"{{% raw %}}{CANARY}", f"{{# {CANARY}",
    f"#}}{{{{ 7*7 }}}}{CANARY}{{%", f"{{{{ {CANARY}", f"{{{{ values.__class__ }}}} {CANARY}",
    f"{{{{ config }}}}${{{CANARY}}}", f"${{jndi:ldap://{CANARY}/}}", f"$({CODE})", f"`{CODE}`", f"; {CODE} #",
    f"' ; {CODE} ; '", f"\" && {CODE} && \"", f"| {CODE}", f"\n{CODE}\n", f"<!--#exec cmd=\"{CODE}\" -->",
    f"<?php system('{CODE}'); ?>", f"</title><script>{CANARY}</script>", f"'\"><img src=x onerror={CANARY}>",
    f"%s%n{{0.__class__}}%({CANARY})s", f"!unsafe {CANARY}", f"__import__('os').system('{CODE}')",
    f"}} location / {{ return 200 {CANARY}; }} #",
)  # fmt: skip


@category(1_000, valid=True)
def injections(r: Random) -> Made:
    payload = r.choice(PAYLOADS) if r.random() < 0.7 else r.choice(PAYLOADS) + r.choice(PAYLOADS)
    place = r.choice(TEXTS) if r.random() < 0.7 else r.choice(PLACES)
    if r.random() < 0.15:  # not even quoted
        return TEXT.replace("Schilick", payload)
    return with_value(place, payload)


NAMES = (
    "../../metro", "/etc/passwd", "..\\..\\x", "portal/../portal", "portal\0", "portal\n", "PORTAL", "portal ",
    "p\u043ertal", "portal;id", "$(id)", "`id`", "-rf", "--help", "~root", "*", "?", "", " ", ".", "con",
    "portal.yaml", "file:///etc/passwd", "http://[::1]/", "%2e%2e%2f", "a" * 5_000, "🏛", "\u202elatrop", "portal'",
    'portal"', "{{ portal }}", "portal:1.0.0", "<portal>",
)  # fmt: skip
VERSIONS = (
    "1.0", "1", "v1.0.0", "1.0.0 ", "1.0.0\n", "01.0.0", "1.0.0-", "1.0.0+", "1.0.0-01", "9.9.9", "../1.0.0",
    "1.0.0/../1.0.0", ">=1.0.0", "latest", "*", "1.0.0,1.0.0", "１.0.0", "1\u0663.0.0", "-1.0.0", "1.0.0-{{x}}",
    "1.0.0+" + "b" * 300, "1e9.0.0",
)  # fmt: skip


@category(500)
def names(r: Random) -> Made:
    data = {**DATA, "service": r.choice(NAMES)}
    if r.random() < 0.5:
        data = {**DATA, "version": r.choice(VERSIONS)}
    if r.random() < 0.2:
        data = {**DATA, "tenancy": r.choice(NAMES)}
    if r.random() < 0.2:
        data = {**DATA, "why": {r.choice(NAMES): "parce que"}}
    return json.dumps(data, ensure_ascii=r.random() < 0.5)


SCRIPTS = (
    "🏛️👩‍👩‍👧‍👦", "\u202eمرحبا\u202c", "\u2066שלום\u2069", "\u200b\u200d\ufeff", "e" + "\u0301" * 50, "ﷺ" * 20,
    "🇫🇷" * 30, "Ｆｕｌｌ", "İıſK", "\U0010ffff", "\ue000", "\ufdd0", "𝕳𝖊𝖑𝖑𝖔", "\u00a0", "«\u202f?\u202f»", "ß" * 80,
    "\u1680", "\u00ad" * 100, "👍🏿",
)  # fmt: skip


@category(400, valid=True)
def scripts(r: Random) -> Made:
    text = r.choice(SCRIPTS)
    where = r.choice(
        [*TEXTS, ("service",), ("version",), ("values", "town_hall", "email"), ("values", "theme", "accent")]
    )
    if r.random() < 0.2:
        return TEXT.replace("tagline", text, 1)
    return with_value(where, r.choice((text, f"Mairie {text}", f"{text} {text}")))


YAML_11 = (
    "yes", "no", "on", "off", "y", "n", "Yes", "NO", "On", "OFF", "True", "FALSE", "null", "~", "", "0777", "0o777",
    "0x1F", "0b101", "1_000", "190:20:30", "1e3", "1.", ".5", "+.inf", "-.INF", ".nan", "2026-01-01",
    "2026-01-01 10:00:00", "=", "<<", "9223372036854775808", "-9223372036854775808", "1e999", "12e03", "+12", "-0",
    "0x" + "f" * 40, "1.0.0", "1.0",
)  # fmt: skip


@category(400, valid=True)
def yaml_11_words(r: Random) -> Made:
    word = r.choice(YAML_11)
    old = r.choice(
        ("portal", "1.0.0", "Bienvenue à Schilick.", "info", "Camille Exemple", "8 h – 12 h", "Une phrase en alsacien.")
    )
    return TEXT.replace(old, word, 1)


class HangError(BaseException):
    """One file took too long; no ``except Exception`` swallows it."""


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    def hang(_: int, frame: FrameType | None) -> None:
        where = f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else "?"
        raise HangError(f"still at {where} after {seconds} s")

    before = signal.signal(signal.SIGALRM, hang)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@dataclass(frozen=True)
class Reader:
    """Reads one request file after the other as ``read_project`` does, beside the other requests of the metropolis."""

    project: Project
    folder: Path

    def read(self, content: bytes) -> tuple[list[Problem], Project, Request | None]:
        """What is wrong with the file; the project with its request, where it is one."""
        path = self.folder / "portal.yaml"
        path.write_bytes(content)
        problems: list[Problem] = []
        loaded = read_model(path, self.folder, RequestFile, problems)
        if loaded is None:
            return problems, self.project, None
        request = Request(self.project.communes["67447"], *loaded)
        asked = {**self.project.requests, request.instance: request}
        project = self.project.with_requests(review.settle(self.project.metro, asked))
        request = project.requests[request.instance]
        return [*problems, *review.problems(project, request)], project, request


@pytest.fixture
def reader(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reader:
    """It works in a folder of its own, where the payloads would leave their canary."""
    monkeypatch.chdir(tmp_path)
    return Reader(project, tmp_path)


def check_words(problem: Problem) -> None:
    assert problem.reason.en.strip()
    for line in (problem.say("en"), problem.say("fr")):
        assert "portal.yaml" in line
        line.encode()  # else a terminal could not show it


def texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    for below in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from texts(below)


def check_rendered(project: Project, request: Request) -> None:
    """What a valid request brings to its server: payloads are words, and Ansible sees none of them."""
    pages = "".join(render_files(project.release(request), template_context(project, request)).values())
    for text in texts(dict(request.asked.values)):
        assert CANARY not in text or str(escape(text)) in pages
    guest = instance_guest(project, request, {"server": "s", "address": "100.64.1.1"}, {}, "p")
    assert CANARY not in json.dumps(inventory([guest], Path("/rendered")))


def test_there_are_ten_thousand_files() -> None:
    assert sum(kind.count for kind in CATEGORIES.values()) == TOTAL
    assert hostile("mutations", 7) == hostile("mutations", 7) != hostile("mutations", 8)


@pytest.mark.parametrize("text", [TEXT, json.dumps(DATA)])
def test_the_files_that_are_spoilt_are_good_before(reader: Reader, text: str) -> None:
    problems, project, request = reader.read(text.encode())
    assert problems == []
    assert request
    check_rendered(project, request)


@pytest.mark.parametrize("name", CATEGORIES)
def test_a_hostile_file_is_an_error_or_a_request(reader: Reader, name: str) -> None:
    kind = CATEGORIES[name]
    refused, failures = 0, []
    valid: list[tuple[Project, Request]] = []
    for index in range(kind.count):
        content = hostile(name, index)
        try:
            with patience(PATIENCE):
                problems, project, request = reader.read(content)
                for problem in problems:
                    check_words(problem)
                if not problems and request and len(valid) < RENDERED:
                    check_rendered(project, request)
        except (Exception, HangError) as error:
            failures.append(f'hostile("{name}", {index}): {type(error).__name__}: {error!s:.300}\n  {content[:300]!r}')
            continue
        refused += bool(problems)
        if not problems:
            assert request
            valid.append((project, request))
    assert not failures, f"{len(failures)} of {kind.count}:\n" + "\n".join(islice(failures, 5))
    assert refused
    assert bool(valid) is kind.valid
    assert not list(reader.folder.rglob(CANARY))


HERE = "stacks/communes/67447-schiltigheim"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return metropolis(tmp_path)


def check(root: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """``agglo request check``: its exit code and all that it says."""
    with patience(PATIENCE):
        code = cli_main.run(["--root", str(root), "request", "check"])
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    assert "fault" not in err
    return code, out


def test_every_hostile_file_of_a_metropolis_is_listed_at_once(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    communes = sorted((copy / "stacks" / "communes").iterdir())
    files = [hostile(name, index) for name in ("tags", "random_bytes", "names") for index in range(10)]
    for commune, content in zip(communes, files, strict=False):
        (commune / "portal.yaml").write_bytes(content)
    code, out = check(copy, capsys)
    assert code == 2
    assert [c.name for c in communes[: len(files)] if f"stacks/communes/{c.name}/portal.yaml" not in out] == []
    assert out.splitlines()[-1].endswith("problème(s) à corriger.")


@pytest.mark.parametrize("name", CATEGORIES)
def test_a_project_with_a_hostile_request_is_refused_or_read(copy: Path, name: str) -> None:
    content = hostile(name, 1)
    (copy / HERE / "portal.yaml").write_bytes(content)
    with patience(PATIENCE):
        try:
            assert load_project(copy).requests["67447-schiltigheim/portal"]
        except InvalidInput as error:
            assert all(f"{HERE}/portal.yaml" in str(problem) for problem in error.problems)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def nowhere(path: Path) -> None:
    path.symlink_to("/nowhere")


def circle(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize("make", [endless, nowhere, circle, os.mkfifo, Path.mkdir])
def test_what_is_no_file_is_an_error(
    copy: Path, make: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    make(copy / HERE / "forum.yaml")
    code, out = check(copy, capsys)
    assert code == 2
    assert f"{HERE}/forum.yaml" in out


@pytest.mark.parametrize(
    "name",
    [b"a b.yaml", "é\u202e.yaml".encode(), b"-rf.yaml", b"a\nb.yaml", b"$(id).yaml",
     b"\xff.yaml"],
)  # fmt: skip
def test_a_file_with_an_odd_name_is_an_error(copy: Path, name: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    (copy / HERE / os.fsdecode(name)).write_text(TEXT)
    code, out = check(copy, capsys)
    assert code == 2
    assert "le fichier demande « portal »" in out


@pytest.mark.parametrize("written", [{"service": "por\ntal"}, {"service": "p" * 9_000}, {"version": "1.0.0\n"}])
def test_a_problem_is_one_line_that_can_be_read(reader: Reader, written: dict[str, str]) -> None:
    problems, _, _ = reader.read(json.dumps({**DATA, **written}).encode())
    (line,) = problems[0].say("fr").splitlines()
    assert len(line) < 1_000
