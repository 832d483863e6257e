"""RedisMirror: what the registry holds, copied to Redis for others to read; Vane itself reads no copy.

Keys: ``ml:models:{version_id}``, a JSON document a version, and ``ml:models:active``, a hash with a field a recipe
(``direction``, and ``direction:shadow`` for the slot beside it) that names the version in force.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import structlog

from signals.errors import RegistryError
from signals.ml.activations import newest_of
from strategy.signal import canonical_json

if TYPE_CHECKING:
    from signals.ml.registry import ModelRegistry

__all__ = ["ACTIVE", "VERSION", "RedisMirror"]

VERSION = "ml:models:"
ACTIVE = "ml:models:active"
_NUMBER = ":activation"
"""Ends the field that holds the newest activation's number of a recipe: an older copy never follows a newer one."""
_PATIENCE = {"socket_timeout": 2.0, "socket_connect_timeout": 2.0}
"""Seconds."""


class RedisMirror:
    """Copies a registry.

    Parameters
    ----------
    url
        ``redis://``, ``rediss://`` or ``unix://``; it may hold a password and is never logged.
    """

    def __init__(self, url: str) -> None:
        import redis

        self._errors: tuple[type[Exception], ...] = (redis.RedisError, OSError)
        try:
            self._redis = redis.Redis.from_url(url, decode_responses=True, **_PATIENCE)
        except ValueError as error:
            raise RegistryError(f"redis.url: expected redis://, rediss:// or unix://: {type(error).__name__}") from None
        self._log = structlog.get_logger(__name__)

    def follow(self, registry: ModelRegistry) -> bool:
        """Copy after a change, unless a later one was copied already.

        Where Redis does not answer say so in the log and go on: the next copy has it all.
        """
        try:
            self._copy(registry, newer=True)
        except RegistryError as error:
            self._log.warning("registry.not_mirrored", reason=str(error))
            return False
        return True

    def rebuild(self, registry: ModelRegistry) -> int:
        """Copy every version and what is in force, all at once, whatever was there before; return the versions.

        Raises
        ------
        RegistryError
            If Redis cannot be reached, or refuses.
        """
        return self._copy(registry, newer=False)

    def _copy(self, registry: ModelRegistry, *, newer: bool) -> int:
        import redis

        try:
            while True:
                with suppress(redis.WatchError), self._redis.pipeline() as pipe:
                    return self._copied(registry, pipe, newer=newer)
        except self._errors as error:
            raise RegistryError(f"Redis did not take the copy of the registry: {type(error).__name__}") from error

    def _copied(self, registry: ModelRegistry, pipe: Any, *, newer: bool) -> int:
        pipe.watch(ACTIVE)
        held = pipe.hgetall(ACTIVE)
        # Read after the watch: what another copy changes from here on makes this one begin anew.
        versions, active = _versions(registry), _in_force(registry)
        numbers = [name for name in active if name.endswith(_NUMBER)]
        if newer and any(_number(held.get(name, "")) > int(active[name]) for name in numbers):
            return len(versions)  # a later change was copied already
        gone = [key for key in self._redis.scan_iter(f"{VERSION}*") if key not in {*versions, ACTIVE}]
        pipe.multi()
        for key, document in versions.items():
            pipe.set(key, document)
        pipe.delete(ACTIVE, *gone)
        if active:
            pipe.hset(ACTIVE, mapping=active)
        pipe.execute()
        return len(versions)


def _versions(registry: ModelRegistry) -> dict[str, str]:
    found = {}
    for version in registry.list_versions():
        document = {
            "version_id": version.version_id,
            "recipe": version.recipe,
            "created_at": version.created_at.isoformat(),
            "passed": version.passed,
            "metrics": dict(version.metrics),
        }
        found[f"{VERSION}{version.version_id}"] = canonical_json(document)
    return found


def _in_force(registry: ModelRegistry) -> dict[str, str]:
    found: dict[str, str] = {}
    for recipe in sorted({home.parent.name for home in registry.versions_on_disk()}):
        history = registry.history(recipe)
        for slot, name in (("active", recipe), ("shadow", f"{recipe}:shadow")):
            newest = newest_of(history, slot)  # type: ignore[arg-type]  # both are slots
            if newest is not None and newest.version_id is not None:
                found[name] = newest.version_id
        if history:
            found[f"{recipe}{_NUMBER}"] = str(history[-1].number)
    return found


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
