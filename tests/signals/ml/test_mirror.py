"""The registry's copy in a real Valkey, on a unix socket."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest
import redis

from signals.errors import RegistryError
from signals.ml.artifact import ModelBundle, save_bundle
from signals.ml.mirror import ACTIVE, RedisMirror
from signals.ml.registry import ModelRegistry


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    made = redis.Redis.from_url(redis_url, decode_responses=True)
    made.flushall()
    yield made
    made.close()


@pytest.fixture
def registry(tmp_path: Path, redis_url: str, make_bundle: Callable[..., ModelBundle]) -> ModelRegistry:
    """Three versions, of which one did not pass, and a mirror that follows."""
    made = ModelRegistry(tmp_path / "models", mirror=RedisMirror(redis_url))
    for seed, (name, passed) in enumerate((("v1", True), ("v2", True), ("weak", False))):
        made.register(
            name, save_bundle(make_bundle(name, seed=seed, passed=passed), tmp_path / name), {"log_loss": 1.1}
        )
    return made


def test_a_promotion_is_followed(registry: ModelRegistry, client: redis.Redis) -> None:
    registry.promote("v1")
    registry.promote("weak", slot="shadow")
    registry.promote("v2")
    assert client.hgetall(ACTIVE) == {"direction": "v2", "direction:shadow": "weak", "direction:activation": "3"}
    document = json.loads(str(client.get("ml:models:v1")))
    assert (document["passed"], document["metrics"]) == (True, {"log_loss": 1.1})
    registry.rollback()
    assert client.hget(ACTIVE, "direction") == "v1"


def test_it_is_rebuilt_from_the_truth(registry: ModelRegistry, client: redis.Redis, redis_url: str) -> None:
    registry.promote("v1")
    client.flushall()
    client.set("ml:models:gone", "{}")
    client.hset(ACTIVE, "direction:activation", "nonsense")
    assert RedisMirror(redis_url).rebuild(registry) == 3
    assert client.hget(ACTIVE, "direction") == "v1"
    assert sorted(client.keys("ml:models:*")) == [ACTIVE, "ml:models:v1", "ml:models:v2", "ml:models:weak"]


def test_an_older_copy_does_not_follow_a_newer_one(
    registry: ModelRegistry, client: redis.Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.promote("v1")
    late = registry.history()
    registry.promote("v2")
    monkeypatch.setattr(ModelRegistry, "history", lambda self, recipe="direction": late)
    RedisMirror(redis_url).follow(registry)
    assert client.hget(ACTIVE, "direction") == "v2"


def test_a_rebuild_takes_the_place_of_another_registry_s_copy(
    registry: ModelRegistry,
    client: redis.Redis,
    redis_url: str,
    tmp_path: Path,
    make_bundle: Callable[..., ModelBundle],
) -> None:
    registry.promote("v1")
    registry.promote("v2")
    fresh = ModelRegistry(tmp_path / "begun anew")
    fresh.register("b1", save_bundle(make_bundle("b1", seed=5), tmp_path / "b1"), {})
    fresh.promote("b1")
    assert RedisMirror(redis_url).rebuild(fresh) == 1
    assert client.hgetall(ACTIVE) == {"direction": "b1", "direction:activation": "1"}
    assert sorted(client.keys("ml:models:*")) == [ACTIVE, "ml:models:b1"]


def test_copies_at_the_same_time_end_with_the_truth(
    registry: ModelRegistry, client: redis.Redis, redis_url: str
) -> None:
    registry.promote("v1")
    threads = [Thread(target=RedisMirror(redis_url).rebuild, args=(registry,)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.hget(ACTIVE, "direction") == "v1"


def test_a_redis_that_is_down_holds_up_nothing(
    tmp_path: Path, make_bundle: Callable[..., ModelBundle], capsys: pytest.CaptureFixture[str]
) -> None:
    mirror = RedisMirror(f"unix://:secret@{tmp_path}/nobody.sock")
    registry = ModelRegistry(tmp_path / "models", mirror=mirror)
    registry.register("v1", save_bundle(make_bundle("v1"), tmp_path / "v1"), {})
    assert registry.promote("v1")
    said = capsys.readouterr().out
    assert "registry.not_mirrored" in said
    assert "secret" not in said
    with pytest.raises(RegistryError, match="did not take the copy"):
        mirror.rebuild(registry)


def test_an_address_that_is_none_is_refused_without_being_shown() -> None:
    with pytest.raises(RegistryError) as caught:
        RedisMirror("http://:secret@localhost")
    assert "secret" not in str(caught.value)
