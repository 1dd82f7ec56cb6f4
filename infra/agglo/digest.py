"""Digests: equal inputs give equal digests, on every machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from pydantic import JsonValue


def of_json(value: JsonValue) -> str:
    """sha256 (hex) of the canonical JSON of ``value``: sorted keys, no white space, UTF-8."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return of_bytes(text.encode())


def of_bytes(content: bytes) -> str:
    """sha256 (hex) of ``content``."""
    return hashlib.sha256(content).hexdigest()


def of_files(files: Mapping[str, bytes]) -> str:
    """sha256 (hex) of a tree of files: names and contents, in the order of names."""
    return of_json({name: of_bytes(content) for name, content in files.items()})
