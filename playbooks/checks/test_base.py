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
