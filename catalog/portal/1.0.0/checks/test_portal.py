"""The portal on its guest, as nginx serves it there; the way through the edge is checked by agglo itself."""

from typing import Any

import pytest

HTPASSWD = "/etc/nginx/portal-admin.htpasswd"
PATHS = (
    "/demarches.html",
    "/contact.html",
    "/mentions-legales.html",
    "/accessibilite.html",
    "/en/",
    "/style.css",
    "/favicon.svg",
    "/sante",
)


def status(host: Any, name: str, path: str) -> int:
    """HTTP status of ``path`` on the guest's own nginx, asked for as ``name``."""
    command = "curl -s -o /dev/null -m 10 -w %%{http_code} -H Host:%s http://127.0.0.1%s"
    return int(host.check_output(command, name, path))


def body(host: Any, name: str, path: str) -> str:
    """Body of ``path`` on the guest's own nginx, asked for as ``name``."""
    return host.check_output("curl -s -m 10 -H Host:%s http://127.0.0.1%s", name, path)


def test_nginx_runs_and_is_enabled(host: Any) -> None:
    nginx = host.service("nginx")
    assert nginx.is_running
    assert nginx.is_enabled


def test_nginx_listens_for_the_edge(host: Any) -> None:
    assert host.socket("tcp://0.0.0.0:80").is_listening


def test_the_home_page_names_the_commune(host: Any, context: dict[str, Any]) -> None:
    page = body(host, context["host"], "/")
    assert f"Bienvenue à {context['commune']['name']}" in page
    assert context["commune"]["insee"] in page


@pytest.mark.parametrize("path", PATHS)
def test_pages_are_there(host: Any, context: dict[str, Any], path: str) -> None:
    assert status(host, context["host"], path) == 200


def test_the_administration_page_asks_for_a_password(host: Any, context: dict[str, Any]) -> None:
    assert status(host, context["host"], "/admin/") == 401


def test_another_name_gets_nothing(host: Any) -> None:
    assert status(host, "autre.invalid", "/") == 421


def test_only_a_salted_hash_of_the_password_is_kept(host: Any) -> None:
    with host.sudo():
        htpasswd = host.file(HTPASSWD)
        assert (htpasswd.user, htpasswd.group, htpasswd.mode) == ("root", "www-data", 0o640)
        assert htpasswd.content_string.startswith("admin:$6$")


def test_the_web_server_cannot_change_what_it_serves(host: Any) -> None:
    for path in ("/etc/nginx/nginx.conf", "/srv/portal/current/index.html"):
        file = host.file(path)
        assert (file.user, file.group, file.mode) == ("root", "root", 0o644)
