"""Templates of a release, rendered without I/O: sandboxed, strict about undefined names, HTML escaped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import CodeType

import jinja2
import jinja2.exceptions
import jinja2.sandbox
from jinja2.bccache import Bucket
from pydantic import JsonValue

from agglo.errors import AggloError

SUFFIX = ".j2"
_HTML = (".html", ".xml", ".svg")


class RenderError(AggloError):
    """A template of a release cannot be rendered with these values."""


class _Compiled(jinja2.BytecodeCache):
    """What was compiled in this process, by name and text: most templates are the same from version to version."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._known.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        if bucket.code:
            self._known[bucket.key, bucket.checksum] = bucket.code


_COMPILED = _Compiled()


@dataclass(frozen=True)
class Templates:
    """``*.j2`` by name, compiled once. Those whose base name begins with ``_`` are there to be included or extended."""

    texts: Mapping[str, str]

    @cached_property
    def environment(self) -> jinja2.Environment:
        """What renders them; nothing outside of ``texts`` can be reached."""
        return jinja2.sandbox.ImmutableSandboxedEnvironment(
            loader=jinja2.DictLoader(dict(self.texts)),
            undefined=jinja2.StrictUndefined,
            autoescape=lambda name: bool(name) and name.removesuffix(SUFFIX).endswith(_HTML),
            bytecode_cache=_COMPILED,
            keep_trailing_newline=True,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def render(
        self, context: Mapping[str, JsonValue], wanted: Callable[[str], bool] = lambda _: True
    ) -> dict[str, str]:
        """The files of all ``wanted`` templates by name without the suffix.

        Raises RenderError with the template's name, and its line where there is one.
        """
        names = sorted(name for name in self.texts if not name.rpartition("/")[2].startswith("_") and wanted(name))
        return {name.removesuffix(SUFFIX): self._render(name, context) for name in names}

    def _render(self, name: str, context: Mapping[str, JsonValue]) -> str:
        try:
            return self.environment.get_template(name).render(context)
        except jinja2.TemplateSyntaxError as error:
            raise RenderError(f"{error.filename or name}:{error.lineno}: {error.message}") from error
        except (
            jinja2.TemplateError,
            jinja2.exceptions.SecurityError,
            TypeError,
            ValueError,
            ArithmeticError,
            RecursionError,
        ) as error:
            raise RenderError(f"{name}: {error}") from error


def render_tree(templates: Mapping[str, str], context: Mapping[str, JsonValue]) -> dict[str, str]:
    """Render all of ``templates``. Raises RenderError."""
    return Templates(templates).render(context)
