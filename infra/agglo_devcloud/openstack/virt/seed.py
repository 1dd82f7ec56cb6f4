"""What cloud-init finds in a guest: Nova's config drive, as a directory."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from nova.api.metadata import base

PATH = Path("var/lib/cloud/seed/config_drive")


def write(root: Path, instance: Any, files: Any, password: str | None, network_info: Any) -> None:
    """Write the instance's metadata, user data and network data below ``root``."""
    extra = {"admin_pass": password} if password else {}
    metadata = base.InstanceMetadata(instance, content=files, network_info=network_info, extra_md=extra)
    top = root / PATH
    shutil.rmtree(top, ignore_errors=True)
    for path, data in metadata.metadata_for_config_drive():
        target = top / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data if isinstance(data, bytes) else data.encode())
    top.chmod(0o700)
