"""Keep a compute host's switch running.

Debian 12's ovs-vswitchd 3.1.0 can end by a failed assertion in its connection tracker
(``conn->conn_type == CT_CONN_TYPE_DEFAULT``), and with it the network of every guest on the host.
"""

from __future__ import annotations

import threading
import time

from nova import context, objects
from oslo_log import log as logging

from agglo_devcloud import ovn, processes
from agglo_devcloud.compute import ComputeHost
from agglo_devcloud.errors import DevCloudError, StartError
from agglo_devcloud.guests import Guest
from agglo_devcloud.layout import Layout
from agglo_devcloud.openstack.virt import networks

LOG = logging.getLogger(__name__)
_LOOK_SECONDS = 1.0


def watch(layout: Layout, host: ComputeHost) -> None:
    """Start again what dies of the host's switch, and plug its guests again; in a thread, for ever."""
    threading.Thread(target=_watch, args=(layout, host), daemon=True, name=f"switch-{host.name}").start()


def _watch(layout: Layout, host: ComputeHost) -> None:
    while True:
        time.sleep(_LOOK_SECONDS)
        if all(processes.find(layout, name) for name in ovn.host_names(host)):
            continue
        LOG.warning("the switch of %s died, starting it again", host.name)
        try:
            if ovn.revive(layout, host):
                replug(layout, host)
        except (DevCloudError, OSError):
            LOG.exception("the switch of %s did not start", host.name)
            time.sleep(10 * _LOOK_SECONDS)


def replug(layout: Layout, host: ComputeHost) -> None:
    """Plug the interfaces of all the host's guests into its new switch; one that is being deleted stops no other."""
    known = objects.InstanceList.get_by_host(context.get_admin_context(), host.name, expected_attrs=["info_cache"])
    for instance in known:
        guest = Guest(layout, instance.uuid)
        if guest.directory.is_dir():
            try:
                networks.plug(host, guest, instance.get_network_info())
            except StartError:
                LOG.exception("guest %s was not plugged again", guest.uuid)
    LOG.info("the switch of %s has its %d guests again", host.name, len(known))
