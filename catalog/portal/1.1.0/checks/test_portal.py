"""The portal on its guest, as nginx serves it there; the way through the edge is checked by agglo itself."""

import html
import re
from typing import Any

HTPASSWD = "/etc/nginx/portal-admin.htpasswd"
NOBODY = "autre.invalid"  # a name that no commune has
PATHS = (
    "/",
    "/demarches.html",
    "/agenda.html",
    "/contact.html",
    "/mentions-legales.html",
    "/accessibilite.html",
    "/en/",
    "/style.css",
    "/favicon.svg",
    "/sante",
)


def answers(host: Any, addresses: list[str]) -> dict[str, tuple[int, str]]:
    """Status and body of each address (``name/path``) from the guest's own nginx, asked for in one go."""
    if not addresses:
        return {}
    # Pages hold no such end: what communes write is escaped.
    end = r"\n</answer> %{http_code} %{url_effective}\n"
    command = f"curl -s -m 10 --connect-to ::127.0.0.1:80 -w %s {' '.join(['%s'] * len(addresses))}"
    found = host.check_output(command, end, *(f"http://{address}" for address in addresses))
    parts = re.findall(r"(.*?)\n</answer> (\d+) http://(\S+)(?:\n|$)", found, re.DOTALL)
    return {address: (int(status), body) for body, status, address in parts}


def statuses(host: Any, addresses: list[str]) -> dict[str, int]:
    """Status of each address."""
    return {address: status for address, (status, _) in answers(host, addresses).items()}


def pages(host: Any, context: dict[str, Any], path: str) -> list[tuple[dict[str, Any], str]]:
    """Each member with the text of its page at ``path``."""
    found = answers(host, [f"{member['host']}{path}" for member in context["members"]])
    return [(member, html.unescape(found[f"{member['host']}{path}"][1])) for member in context["members"]]


def test_nginx_runs_and_is_enabled(host: Any) -> None:
    nginx = host.service("nginx")
    assert nginx.is_running
    assert nginx.is_enabled


def test_nginx_listens_for_the_edge(host: Any) -> None:
    assert host.socket("tcp://0.0.0.0:80").is_listening


def test_every_page_of_every_commune_is_there(host: Any, context: dict[str, Any]) -> None:
    wanted = [f"{member['host']}{path}" for member in context["members"] for path in PATHS]
    assert statuses(host, [f"{NOBODY}/sante", *wanted]) == dict.fromkeys([f"{NOBODY}/sante", *wanted], 200)


def test_each_home_page_names_its_commune(host: Any, context: dict[str, Any]) -> None:
    for member, page in pages(host, context, "/"):
        assert f"Bienvenue à {member['commune']['name']}" in page
        assert member["commune"]["insee"] in page


def test_each_agenda_has_its_commune_s_events(host: Any, context: dict[str, Any]) -> None:
    for member, page in pages(host, context, "/agenda.html"):
        titles = [event["title"] for event in member["values"]["agenda"]]
        assert [title for title in titles if title not in page] == []
        assert page.count("<time ") == len(titles)


def test_administration_pages_ask_for_a_password(host: Any, context: dict[str, Any]) -> None:
    wanted = {f"{member['host']}/admin/": 401 for member in context["members"]}
    assert statuses(host, [f"{NOBODY}/admin/", *wanted]) == {f"{NOBODY}/admin/": 421, **wanted}


def test_another_name_gets_nothing(host: Any) -> None:
    assert statuses(host, [f"{NOBODY}/"]) == {f"{NOBODY}/": 421}


def test_sites_are_those_of_the_communes_served(host: Any, context: dict[str, Any]) -> None:
    assert sorted(host.file("/srv/portal/sites").listdir()) == sorted(m["commune"]["slug"] for m in context["members"])


def test_the_layout_of_1_0_0_is_gone(host: Any) -> None:
    assert sorted(host.file("/srv/portal").listdir()) == ["sites", "sites.tar"]


def test_only_a_salted_hash_of_the_password_is_kept(host: Any) -> None:
    with host.sudo():
        htpasswd = host.file(HTPASSWD)
        assert (htpasswd.user, htpasswd.group, htpasswd.mode) == ("root", "www-data", 0o640)
        assert htpasswd.content_string.startswith("admin:$6$")


def test_the_web_server_cannot_change_what_it_serves(host: Any) -> None:
    foreign = r"find -L /etc/nginx/nginx.conf /srv/portal \( ! -user root -o ! -group root -o -perm /022 \)"
    assert host.check_output(foreign) == ""
