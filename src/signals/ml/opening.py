"""open_registry: the registry that the settings ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signals.errors import ConfigError
from signals.ml.registry import ModelRegistry
from signals.ml.stores import Mirror, Store

if TYPE_CHECKING:
    from signals.config import Settings
    from signals.events.log import EventLog

__all__ = ["open_registry"]


def open_registry(settings: Settings, *, log: EventLog | None = None, mirror: Mirror | None = None) -> ModelRegistry:
    """Return the registry in `models.dir`, with its truth in Postgres where `models.store` says so.

    Raises
    ------
    ConfigError
        If Postgres is asked for without an address, or without the package that talks to it.
    """
    return ModelRegistry(settings.models.dir, log=log, mirror=mirror, store=_store(settings))


def _store(settings: Settings) -> Store | None:
    if settings.models.store == "files":
        return None
    if settings.postgres.dsn is None:
        raise ConfigError(
            "models.store is postgres: expected an address in postgres.dsn, was null; set it, such as "
            "SA_POSTGRES__DSN=postgresql://localhost/vane"
        )
    try:
        from signals.ml.postgres import PostgresStore
    except ModuleNotFoundError:
        raise ConfigError(
            "models.store is postgres, but asyncpg is not installed: pip install 'vane-signals[postgres]'"
        ) from None
    return PostgresStore(settings.postgres.dsn.get_secret_value(), refresh_seconds=settings.postgres.refresh_seconds)
