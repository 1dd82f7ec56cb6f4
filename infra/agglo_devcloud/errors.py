"""Errors of the embedded cloud: what went wrong, and the next command to try."""

from __future__ import annotations


class DevCloudError(Exception):
    """Base of every error that this package raises on purpose.

    ``message`` says what is wrong and where; ``hint`` the next command to try; ``exit_code`` follows the CLI's table.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class HostError(DevCloudError):
    """This machine cannot run the cloud as it is: no root, memory, disk, a missing package, a taken port."""


class StartError(DevCloudError):
    """A part of the cloud did not start or died; the message names its log."""


class InstallError(DevCloudError):
    """A download or a build failed; a rerun resumes."""
