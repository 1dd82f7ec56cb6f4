"""OpenStack in the cloud's own Python environment: one process per service, forked from a zygote.

Modules here see OpenStack's libraries and, of this package, only what uses the standard library alone
(``layout``, ``compute``, ``commands``, ``processes``, ``network``, ``guests``, ``cgroups``, ``errors``).
"""
