"""`vane models mirror`: copy the registry to Redis, from the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signals.cli.common import AsJson, console, counted, emit_json
from signals.errors import ConfigError

if TYPE_CHECKING:
    from signals.config import Settings
    from signals.ml.mirror import RedisMirror

__all__ = ["mirror", "mirror_of"]


def mirror(as_json: AsJson = False) -> None:
    """Copy every version, and what is in force, to Redis (the setting redis.url); whatever it held before is replaced.

    Example: vane models mirror
    """
    from signals.config import load_settings
    from signals.ml.opening import open_registry

    settings = load_settings()
    copy = mirror_of(settings)
    if copy is None:
        raise ConfigError(
            "redis.url: expected an address, was null; set it, such as SA_REDIS__URL=redis://localhost:6379"
        )
    written = copy.rebuild(open_registry(settings))
    if as_json:
        emit_json({"versions": written})
    else:
        console.print(f"{counted(written, 'version')} copied to Redis, and what is in force.", markup=False)


def mirror_of(settings: Settings) -> RedisMirror | None:
    """Return the mirror that the settings ask for, None if they ask for none.

    Raises
    ------
    ConfigError
        If the package that talks to Redis is not installed.
    """
    url = None if settings.redis.url is None else settings.redis.url.get_secret_value()
    if url is None or url == "embedded":
        return None
    try:
        import redis  # noqa: F401  # asked for before anything is changed
    except ImportError:
        raise ConfigError("redis.url is set, but redis is not installed: pip install 'vane-signals[redis]'") from None
    from signals.ml.mirror import RedisMirror

    return RedisMirror(url)
