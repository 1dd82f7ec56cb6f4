"""The service on its guest, as nginx serves it there; the way through the edge is checked by agglo itself."""

import html
from typing import Any


def body(host: Any, name: str, path: str) -> str:
    """Text of ``path`` on the guest's own nginx, asked for as ``name``."""
    return html.unescape(host.check_output("curl -s -m 10 -H Host:%s http://127.0.0.1%s", name, path))


def test_the_web_server_runs_and_is_enabled(host: Any) -> None:
    nginx = host.service("nginx")
    assert nginx.is_running
    assert nginx.is_enabled


def test_the_page_shows_the_commune_and_its_message(host: Any, context: dict[str, Any]) -> None:
    page = body(host, context["host"], "/")
    assert context["commune"]["name"] in page
    assert context["values"]["message"] in page


def test_another_name_gets_nothing(host: Any) -> None:
    command = "curl -s -o /dev/null -m 10 -w %%{http_code} -H Host:%s http://127.0.0.1/"
    assert host.check_output(command, "autre.invalid") == "421"
