"""What the engine says when it fails, in our words."""

from __future__ import annotations

from agglo.adapters.engine import _reasons

OVER_QUOTA = """
 code: 1
 stdout: Updating (67447):
Diagnostics:
  openstack:networking:Router (router):
    error:   sdk-v2/provider2.go:572: sdk.helper_schema: Error creating openstack_networking_router_v2: Quota exceeded
    error: 1 error occurred:
    \t* Error creating openstack_networking_router_v2: Quota exceeded for resources: ['router'].

  pulumi:pulumi:Stack (commune-67447):
    error: update failed

Resources:
    1 errored
"""

NOT_FOUND = """
 stdout: Updating (RegionOne):
    pulumi:pulumi:Stack metro-RegionOne running error: python inline source runtime error: 1 error occurred:
Diagnostics:
  pulumi:pulumi:Stack (metro-RegionOne):
    error: python inline source runtime error: invoke of getNetwork failed: 1 error occurred:
    \t* Your query returned no results. Please change your search criteria and try again.
    Traceback (most recent call last):
      File "server.py", line 95, in run
        raise error
    Exception: invoke of getNetwork failed: 1 error occurred:
    \t* Your query returned no results. Please change your search criteria and try again.
"""


def test_the_provider_s_reason_is_said_once_and_its_way_to_us_is_not() -> None:
    assert _reasons(OVER_QUOTA) == [
        "Error creating openstack_networking_router_v2: Quota exceeded for resources: ['router']."
    ]
    assert _reasons(NOT_FOUND) == ["Your query returned no results. Please change your search criteria and try again."]


def test_an_error_without_reasons_is_told_as_it_is() -> None:
    assert _reasons(
        "Diagnostics:\n  x (y):\n    error: no resource plugin 'openstack'\n    error: update failed\n"
    ) == ["no resource plugin 'openstack'"]
    assert _reasons("killed") == ["killed"]
    assert _reasons("") == ["no reason was given"]
