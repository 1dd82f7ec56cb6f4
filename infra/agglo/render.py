"""Templates of a release, rendered without I/O: sandboxed, strict about undefined names, HTML escaped."""

from __future__ import annotations

from collections.abc import Mapping

import jinja2
import jinja2.exceptions
import jinja2.sandbox
from pydantic import JsonValue

from agglo.errors import AggloError

_SUFFIX = ".j2"
_HTML = (".html", ".xml", ".svg")


class RenderError(AggloError):
    """A template of a release cannot be rendered with these values."""


def render_tree(templates: Mapping[str, str], context: Mapping[str, JsonValue]) -> dict[str, str]:
    """Render every ``*.j2`` of a release; the result is keyed by name without the suffix.

    Templates whose base name begins with ``_`` are only there to be included or extended. Raises RenderError with the
    template's name and line.
    """
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        loader=jinja2.DictLoader(dict(templates)),
        undefined=jinja2.StrictUndefined,
        autoescape=lambda name: bool(name) and name.removesuffix(_SUFFIX).endswith(_HTML),
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    wanted = sorted(name for name in templates if not name.rpartition("/")[2].startswith("_"))
    return {name.removesuffix(_SUFFIX): _render(environment, name, context) for name in wanted}


def _render(environment: jinja2.Environment, name: str, context: Mapping[str, JsonValue]) -> str:
    try:
        return environment.get_template(name).render(context)
    except jinja2.TemplateSyntaxError as error:
        raise RenderError(f"{error.filename or name}:{error.lineno}: {error.message}") from error
    except (
        jinja2.TemplateError,
        jinja2.exceptions.SecurityError,
        TypeError,
        ValueError,
        ArithmeticError,
    ) as error:
        raise RenderError(f"{name}: {error}") from error
