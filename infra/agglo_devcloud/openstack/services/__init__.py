"""One module per OpenStack project; each has ``start(cloud)``, which returns when API and workers of it run.

Each is called in a process of its own (oslo.config's ``CONF`` is one per process), placement in nova's.
"""
