"""Swift's cache in the proxy's own memory: with one proxy process, a memcached is only slower."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_LARGEST = 50_000  # entries; then all are dropped

Application = Callable[[dict[str, Any], Any], Any]


class Cache:
    """The part of swift's memcached client that its middleware uses. ``time`` is in seconds, 0 means for ever."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[float, Any]] = {}

    def get(self, key: str, raise_on_error: bool = False) -> Any:
        """The value, or None."""
        expires, value = self._entries.get(key, (0.0, None))
        if expires and expires < time.time():
            self._entries.pop(key, None)
            return None
        return value

    def set(self, key: str, value: Any, serialize: bool = True, time: float = 0, **ignored: Any) -> None:
        """Keep the value."""
        if len(self._entries) > _LARGEST:
            self._entries.clear()
        self._entries[key] = (_now() + time if time else 0.0, value)

    def incr(self, key: str, delta: int = 1, time: float = 0) -> int:
        """Add to a counter, never below 0; its new value."""
        value = max(0, int(self.get(key) or 0) + int(delta))
        self.set(key, value, time=time)
        return value

    def decr(self, key: str, delta: int = 1, time: float = 0) -> int:
        """Subtract from a counter."""
        return self.incr(key, -delta, time)

    def delete(self, key: str, server_key: str | None = None) -> None:
        """Forget the value."""
        self._entries.pop(key, None)

    def set_multi(self, mapping: Mapping[str, Any], server_key: str, time: float = 0, **ignored: Any) -> None:
        """Keep several values."""
        for key, value in mapping.items():
            self.set(f"{server_key}/{key}", value, time=time)

    def get_multi(self, keys: Sequence[str], server_key: str) -> list[Any]:
        """Several values."""
        return [self.get(f"{server_key}/{key}") for key in keys]


def _now() -> float:
    return time.time()


def filter_factory(global_conf: Mapping[str, str], **conf: str) -> Callable[[Application], Application]:
    """Paste's filter ``cache``: gives every request the one cache."""
    cache = Cache()

    def wrap(application: Application) -> Application:
        def middleware(environment: dict[str, Any], start: Any) -> Any:
            environment["swift.cache"] = cache
            return application(environment, start)

        middleware._pipeline_final_app = application  # type: ignore[attr-defined]  # swift walks the pipeline by it
        return middleware

    return wrap
