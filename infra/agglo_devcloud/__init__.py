"""The embedded cloud: a real OpenStack, OVN, guests and a Vault-API server on this machine, for development and tests.

Nothing here imports agglo: agglo sees a ``clouds.yaml`` and a ``VAULT_ADDR``, as with any cloud.
``openstack/`` runs in the cloud's own Python environment; every other module runs in the project's.
"""
