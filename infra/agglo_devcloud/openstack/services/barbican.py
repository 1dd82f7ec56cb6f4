"""Barbican: secrets in the database, encrypted with a key of this cloud."""

from __future__ import annotations

import sys
from typing import Any

from agglo_devcloud.openstack import web
from agglo_devcloud.openstack.cloud import Cloud


def start(cloud: Cloud) -> None:
    """Serve the API."""
    sys.argv = ["barbican"]
    from oslo_config import cfg

    # barbican reads its configuration while it is imported, from fixed places
    cfg.find_config_files = lambda *args, **kwargs: [cloud.config("barbican/barbican.conf")]
    cfg.find_config_dirs = lambda *args, **kwargs: []
    from barbican.common import config

    _restore_options(config.CONF)
    from barbican.api import app  # noqa: F401  # the paste file names it
    from paste import deploy

    application = deploy.loadapp(f"config:{cloud.config('barbican/barbican-api-paste.ini')}")
    web.serve(cloud, "barbican", application, threads=4)


def _restore_options(conf: Any) -> None:
    """Barbican replaces oslo.config's CONF: register again what preloaded libraries had registered on the old one."""
    import oslo_policy.opts  # noqa: F401
    from keystoneauth1 import loading
    from keystonemiddleware.auth_token import _opts

    for group, options in _opts.list_opts():
        conf.register_opts(options, group=group)
    loading.register_auth_conf_options(conf, "keystone_authtoken")
