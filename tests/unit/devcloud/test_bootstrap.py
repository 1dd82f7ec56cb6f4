"""What a new cloud is given: tried again while a service is not ready, and only then."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from openstack.exceptions import HttpException

from agglo_devcloud import bootstrap


def failing(times: int, status: int, calls: list[int]) -> Any:
    def make(_: object) -> None:
        calls.append(1)
        if len(calls) <= times:
            response = requests.Response()
            response.status_code = status
            raise HttpException("busy", response=response)

    return make


def test_a_busy_service_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "_PAUSES", (0, 0))
    calls: list[int] = []
    bootstrap._patiently(failing(2, 503, calls), None)  # type: ignore[arg-type]
    assert len(calls) == 3


@pytest.mark.parametrize(("times", "status", "asked"), [(9, 503, 3), (1, 409, 1)])
def test_what_stays_wrong_is_told(monkeypatch: pytest.MonkeyPatch, times: int, status: int, asked: int) -> None:
    monkeypatch.setattr(bootstrap, "_PAUSES", (0, 0))
    calls: list[int] = []
    with pytest.raises(HttpException):
        bootstrap._patiently(failing(times, status, calls), None)  # type: ignore[arg-type]
    assert len(calls) == asked
