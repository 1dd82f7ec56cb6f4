"""OVN: central databases and northd; on each compute host an OVS with the userspace datapath, and a controller."""

from __future__ import annotations

import fcntl
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from agglo_devcloud import compute, network, processes
from agglo_devcloud.commands import run
from agglo_devcloud.compute import ComputeHost
from agglo_devcloud.layout import Layout
from agglo_devcloud.mariadb import answers

_SCHEMAS = {
    "nb.db": Path("/usr/share/ovn/ovn-nb.ovsschema"),
    "sb.db": Path("/usr/share/ovn/ovn-sb.ovsschema"),
}
_VSWITCH_SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
_QUIET = "-vconsole:warn"


def names(layout: Layout) -> list[str]:
    """Names of all its processes."""
    return ["ovn-databases", "ovn-northd", *(name for host in compute.hosts(layout) for name in host_names(host))]


def host_names(host: ComputeHost) -> tuple[str, str, str]:
    """Names of one compute host's processes: database, switch, controller."""
    prefix = f"ovs-c{host.number}"
    return f"{prefix}-database", f"{prefix}-switch", f"{prefix}-controller"


def aborts(layout: Layout) -> int:
    """How often Debian 12's Open vSwitch aborted in its connection tracker so far (docs/embedded-cloud.md)."""
    logs = layout.log.glob("ovs-*-switch.out")
    return sum(log.read_text(errors="replace").count("assertion conn->conn_type") for log in logs)


def start(layout: Layout) -> bool:
    """Start what does not run. True when a compute host's switch was: its guests must be plugged again."""
    _start_central(layout)
    hosts = compute.hosts(layout)
    with ThreadPoolExecutor(len(hosts)) as pool:
        return any(list(pool.map(lambda host: revive(layout, host), hosts)))


def stop(layout: Layout) -> None:
    """End all of it, switches last."""
    hosts = compute.hosts(layout)
    databases = [host_names(host)[0] for host in hosts]
    processes.stop(layout, [name for name in names(layout) if name not in databases])
    processes.stop(layout, databases)


def _start_central(layout: Layout) -> None:
    layout.ovs.mkdir(parents=True, exist_ok=True)
    for database, schema in _SCHEMAS.items():
        _create(layout.ovs / database, schema)
    if not processes.find(layout, "ovn-databases"):
        _start_databases(layout, "ovn-databases", layout.ovs, list(_SCHEMAS))
    if not processes.find(layout, "ovn-northd"):
        remote = f"unix:{layout.ovn_socket}"
        options = [f"--ovnnb-db={remote}", f"--ovnsb-db={remote}", f"--unixctl={layout.ovs / 'northd.ctl'}", _QUIET]
        processes.spawn(layout, "ovn-northd", ["ovn-northd", *options], env=_environment(layout, layout.ovs))


def revive(layout: Layout, host: ComputeHost) -> bool:
    """Start those of one compute host's processes that do not run; True when its switch was among them.

    Nova's watch over its switch and ``up`` may both come: one waits for the other.
    """
    host.directory.mkdir(parents=True, exist_ok=True)
    with (host.directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _start_host(layout, host)


def _start_host(layout: Layout, host: ComputeHost) -> bool:
    database, switch, controller = host_names(host)
    _create(host.directory / "conf.db", _VSWITCH_SCHEMA)
    env = _environment(layout, host.directory)
    remote = f"unix:{host.ovs_socket}"
    if not processes.find(layout, database):
        _start_databases(layout, database, host.directory, ["conf.db"])
    if started := not processes.find(layout, switch):
        _configure_switch(layout, host)
        command = ["ovs-vswitchd", remote, f"--unixctl={host.directory / 'vswitchd.ctl'}", _QUIET]
        command.append(f"--pidfile={host.directory / 'ovs-vswitchd.pid'}")  # ovn-controller finds the switch by it
        processes.spawn(layout, switch, command, env=env, netns=host.netns)
        _address_tunnel(layout, host)
    if not processes.find(layout, controller):
        processes.spawn(layout, controller, ["ovn-controller", remote, _QUIET], env=env, netns=host.netns)
    return started


def _configure_switch(layout: Layout, host: ComputeHost) -> None:
    """Write the database that the switch starts from: without guests' ports, since Nova plugs them again."""
    client = ["ovs-vsctl", f"--db=unix:{host.ovs_socket}", "--no-wait"]
    run([*client, "--", "init", *_bridges(layout, host)])
    ports = run([*client, "list-ports", "br-int"]).split()
    for port in ports:
        if port.startswith("tap"):
            run([*client, "--if-exists", "del-port", "br-int", port])  # Nova may delete a server meanwhile


def _bridges(layout: Layout, host: ComputeHost) -> list[str]:
    """Words for ``ovs-vsctl``: the host's three bridges and what its ovn-controller reads.

    With the userspace datapath the tunnel's own address must sit on an OVS bridge, hence ``br-phy``.
    """
    words: list[str] = []
    for bridge, port in (("br-int", None), ("br-phy", "und0"), ("br-ex", "prv0")):
        words += ["--", "--may-exist", "add-br", bridge, "--", "set", "bridge", bridge, "datapath_type=netdev"]
        words += ["--", "--may-exist", "add-port", bridge, port] if port else []
    words += ["--", "set", "bridge", "br-int", "fail-mode=secure", "other-config:disable-in-band=true"]
    external = {
        "system-id": f"chassis-{host.name}",
        "hostname": host.name,
        "ovn-remote": f"unix:{layout.ovn_socket}",
        "ovn-encap-type": "geneve",
        "ovn-encap-ip": host.tunnel,
        "ovn-bridge-datapath-type": "netdev",
        "ovn-bridge-mappings": "public:br-ex",
        "ovn-cms-options": "enable-chassis-as-gw",
        "ovn-monitor-all": "true",
    }
    return [*words, "--", "set", "open", ".", *(f"external-ids:{key}={value}" for key, value in external.items())]


def _address_tunnel(layout: Layout, host: ComputeHost) -> None:
    log = layout.log / f"{host_names(host)[1]}.out"
    process = processes.find(layout, host_names(host)[1])
    processes.wait_for(
        lambda: "br-phy" in network.links(host.netns), f"{host.name}'s bridges", timeout=20, process=process, log=log
    )
    run(["ip", "-n", host.netns, "address", "replace", f"{host.tunnel}/24", "dev", "br-phy"])
    run(["ip", "-n", host.netns, "link", "set", "br-phy", "up"])


def _start_databases(layout: Layout, name: str, directory: Path, files: list[str]) -> None:
    listen = directory / "db.sock"
    command: list[str | Path] = ["ovsdb-server", *(directory / file for file in files), f"--remote=punix:{listen}"]
    command += [f"--unixctl={directory / 'ovsdb.ctl'}", "--no-chdir", _QUIET]
    process = processes.spawn(layout, name, command, env=_environment(layout, directory))
    processes.wait_for(lambda: answers(listen), name, timeout=20, process=process, log=layout.log / f"{name}.out")


def _create(database: Path, schema: Path) -> None:
    if not database.exists():
        scratch = database.with_suffix(".new")
        scratch.unlink(missing_ok=True)
        run(["ovsdb-tool", "create", scratch, schema])
        scratch.replace(database)


def _environment(layout: Layout, directory: Path) -> dict[str, str]:
    here, log = str(directory), str(layout.log)
    places = {"OVS_RUNDIR": here, "OVN_RUNDIR": here, "OVS_DBDIR": here, "OVN_DBDIR": here}
    return {**os.environ, **places, "OVS_LOGDIR": log, "OVN_LOGDIR": log}
