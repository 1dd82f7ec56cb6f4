"""agglo: one sovereign cloud on OpenStack for all the communes of a metropolis.

``workflow`` tells the story; the modules beside it decide without I/O; ``adapters`` act; ``programs`` are Pulumi's.
"""

__version__ = "0.1.0"
