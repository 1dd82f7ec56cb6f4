"""The bastion: a jump host and nothing else."""

from typing import Any


def test_it_forwards_to_ssh_only(host: Any) -> None:
    with host.sudo():
        settings = host.check_output("/usr/sbin/sshd -T").splitlines()
    assert "allowtcpforwarding local" in settings
    assert "permitopen *:22" in settings
    assert "allowagentforwarding no" in settings
    assert "gatewayports no" in settings


def test_it_serves_nothing_but_ssh_and_its_metrics(host: Any) -> None:
    listening = host.check_output("ss -Hltn").splitlines()
    addresses = {line.split()[3] for line in listening}
    outside = {address for address in addresses if not address.startswith(("127.", "[::1]"))}
    assert {address.rpartition(":")[2] for address in outside} == {"22", "9100"}
