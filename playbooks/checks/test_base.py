"""What every guest has in common."""

from typing import Any


def sshd(host: Any) -> dict[str, str]:
    """sshd's settings in force, by lower-case name."""
    with host.sudo():
        lines = host.check_output("/usr/sbin/sshd -T").splitlines()
    return dict(line.split(" ", 1) for line in lines if " " in line)


def test_the_guest_is_in_good_order(host: Any) -> None:
    assert host.check_output("systemctl list-units --failed --plain --no-legend") == ""


def test_sshd_takes_keys_only(host: Any) -> None:
    settings = sshd(host)
    assert settings["passwordauthentication"] == "no"
    assert settings["kbdinteractiveauthentication"] == "no"
    assert settings["permitrootlogin"] == "no"
    assert settings["x11forwarding"] == "no"


def test_the_time_zone_is_the_communes(host: Any) -> None:
    assert host.file("/etc/localtime").linked_to == "/usr/share/zoneinfo/Europe/Paris"


def test_the_guest_does_not_update_itself(host: Any) -> None:
    for timer in ("apt-daily.timer", "apt-daily-upgrade.timer"):
        assert host.run("systemctl is-enabled %s", timer).stdout.strip() == "masked"


def test_metrics_are_given_on_the_address_that_faces_transit_only(host: Any) -> None:
    assert host.service("agglo-metrics").is_running
    listening = [line.split()[3] for line in host.check_output("ss -Hltn sport = :9100").splitlines()]
    assert len(listening) == 1
    assert not listening[0].startswith(("127.", "0.0.0.0", "*", "[::]"))


def test_the_journal_goes_to_the_metropolis(host: Any) -> None:
    assert host.service("rsyslog").is_running
    with host.sudo():
        assert host.run("rsyslogd -N1").rc == 0


def test_there_is_one_way_out(host: Any) -> None:
    assert host.run("curl -s -o /dev/null -m 3 http://192.0.2.1/").rc in (7, 28)
    assert "Acquire::http::Proxy" in host.check_output("apt-config dump Acquire")
