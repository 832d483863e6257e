"""Files and folders that are whole on the disk, or not there."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from pathlib import Path

from signals.errors import RegistryError

__all__ = ["move_in", "sync_folder", "write_durably"]


def write_durably(path: Path, content: bytes) -> None:
    """Write a new file and wait for the disk."""
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def move_in(source: Path, home: Path) -> None:
    """Move a folder to `home`, which must not exist, across file systems too.

    Raises
    ------
    RegistryError
        If it cannot be moved; `home` is then absent, or what somebody else made of it.
    """
    try:
        try:
            source.rename(home)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            _copy(source, home)
            shutil.rmtree(source)
        sync_folder(home.parent)
    except OSError as error:
        raise RegistryError(f"{source} could not be moved to {home}: {error.strerror}") from error


def sync_folder(folder: Path) -> None:
    """Wait until the folder's entries are on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _copy(source: Path, home: Path) -> None:
    building = _beside(home)
    building.mkdir()
    try:
        for file in source.iterdir():
            write_durably(building / file.name, file.read_bytes())
        sync_folder(building)
        building.rename(home)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _beside(path: Path) -> Path:
    # A leading dot keeps it from being taken for a version while it is half written.
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
