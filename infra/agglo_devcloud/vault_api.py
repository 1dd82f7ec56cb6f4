"""The few requests to the Vault's HTTP interface that its start needs, whatever proxies or tokens the caller's
environment holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import requests

from agglo_devcloud.errors import StartError

_SECONDS = 20
_MISSING = 404


class RefusedError(StartError):
    """The Vault answered with an error: ``status`` is its HTTP status."""

    def __init__(self, status: int, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status


@dataclass(frozen=True)
class Api:
    """The Vault at ``address``, known by the certificate authority in ``authority``, as the holder of ``token``."""

    address: str
    authority: Path
    token: str = ""

    def holding(self, token: str) -> Api:
        """The same Vault with another token."""
        return replace(self, token=token)

    def health(self) -> int:
        """Status of ``sys/health``: 200 active, 429 standby, 501 not initialised, 503 sealed. Raises OSError."""
        return self._session.get(f"{self.address}/v1/sys/health", timeout=_SECONDS).status_code

    def read(self, path: str) -> dict[str, Any] | None:
        """What is at ``path``; None when there is nothing. Raises RefusedError, OSError."""
        return self._ask("GET", path, None)

    def write(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Write ``body`` to ``path``; the answer. Raises RefusedError, OSError."""
        return self._ask("POST", path, body or {}) or {}

    def remove(self, path: str) -> None:
        """Remove what is at ``path``. Raises RefusedError, OSError."""
        self._ask("DELETE", path, None)

    @cached_property
    def _session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        session.verify = str(self.authority)
        if self.token:
            session.headers["X-Vault-Token"] = self.token
        return session

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None) -> dict[str, Any] | None:
        answer = self._session.request(method, f"{self.address}/v1/{path}", json=body, timeout=_SECONDS)
        if method == "GET" and answer.status_code == _MISSING:
            return None
        if not answer.ok:
            raise RefusedError(answer.status_code, f"the Vault refused {method} {path}: {answer.text.strip()}")
        content: dict[str, Any] = answer.json() if answer.content else {}
        return content
