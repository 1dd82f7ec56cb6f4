"""OpenStack's own tests, Tempest, against an embedded cloud: ``make tempest`` (docs/tempest.md)."""
