"""Images of Glance (squashfs files) as directories, unpacked once per image and shared by all guests."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

from nova.virt import images
from oslo_log import log as logging

from agglo_devcloud.commands import run
from agglo_devcloud.layout import Layout

LOG = logging.getLogger(__name__)
_lock = threading.Lock()


def directory(layout: Layout, image: str) -> Path:
    """Where image ``image`` (Glance's id) is unpacked."""
    return layout.run / "nova" / "images" / image


def ensure(layout: Layout, context: Any, image: str) -> Path:
    """The image's directory; downloads and unpacks it the first time."""
    target = directory(layout, image)
    with _lock:
        if not target.is_dir():
            _unpack(layout, context, image, target)
    return target


def _unpack(layout: Layout, context: Any, image: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    download, scratch = target.with_suffix(".squashfs"), target.with_suffix(".new")
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        images.fetch(context, image, str(download))
        run(["unsquashfs", "-quiet", "-no-progress", "-dest", scratch, download], timeout=600)
        scratch.rename(target)
    finally:
        download.unlink(missing_ok=True)
    LOG.info("image %s unpacked", image)
