"""Run a short system command and say clearly when it fails."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from agglo_devcloud.errors import StartError


def run(argv: Sequence[str | Path], *, text: str | None = None, timeout: float = 60) -> str:
    """Run ``argv`` with ``text`` on its standard input; its standard output. Raises StartError if it fails."""
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(words, input=text, text=True, capture_output=True, timeout=timeout, check=False)
    except FileNotFoundError as error:
        raise StartError(f"{words[0]} is not installed", hint="agglo doctor") from error
    except subprocess.TimeoutExpired as error:
        raise StartError(f"'{' '.join(words)}' did not end in {timeout:.0f} s") from error
    if done.returncode:
        raise StartError(f"'{' '.join(words)}' failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def succeeds(argv: Sequence[str | Path], *, timeout: float = 60) -> bool:
    """True when ``argv`` exits with 0 in time; for questions and for clean-up of what may be gone already."""
    words = [str(word) for word in argv]
    try:
        return subprocess.run(words, capture_output=True, timeout=timeout, check=False).returncode == 0
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False
