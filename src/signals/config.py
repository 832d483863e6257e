"""Settings: `config/settings.yaml`, then environment variables named ``SA_<SECTION>__<KEY>``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, YamlConfigSettingsSource

from signals.config_problems import PREFIX, nearest, no_json, problems_of, variables
from signals.errors import ConfigError

__all__ = [
    "AlertSettings",
    "DataSettings",
    "EventSettings",
    "JobSettings",
    "LiveSettings",
    "MLSettings",
    "ModelSettings",
    "MonitorSettings",
    "PostgresSettings",
    "RedisSettings",
    "Settings",
    "TrainingSettings",
    "XGBParams",
    "load_settings",
    "settings_path",
]

DEFAULT_PATH = Path("config/settings.yaml")

Share = Annotated[float, Field(gt=0, le=1)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class XGBParams(_Section):
    """Parameters of the XGBoost classifier, named as XGBoost names them."""

    n_estimators: Annotated[int, Field(ge=1, le=10_000)] = 300
    max_depth: Annotated[int, Field(ge=1, le=16)] = 6
    learning_rate: Share = 0.05
    subsample: Share = 0.8
    colsample_bytree: Share = 0.8
    min_child_weight: Annotated[float, Field(ge=0)] = 5
    objective: Literal["multi:softprob"] = "multi:softprob"
    num_class: Literal[3] = 3
    eval_metric: Literal["mlogloss"] = "mlogloss"


class MLSettings(_Section):
    """What is predicted, and when a prediction becomes a signal.

    Thresholds are fractions (0.01 is one per cent) of the close; `prediction_horizon` counts sessions (bars, intraday).
    """

    prediction_horizon: Annotated[int, Field(ge=1, le=252)] = 5
    up_threshold: Annotated[float, Field(ge=0, lt=1)] = 0.01
    down_threshold: Annotated[float, Field(gt=-1, le=0)] = -0.01
    min_training_samples: Annotated[int, Field(ge=1)] = 500
    retrain_interval_days: Annotated[int, Field(ge=1)] = 7
    model_staleness_days: Annotated[int, Field(ge=1)] = 14
    confidence_threshold: Annotated[float, Field(ge=1 / 3, lt=1)] = 0.55
    xgb_params: XGBParams = XGBParams()


class TrainingSettings(_Section):
    """What the recipe `direction` learns, beyond the section ``ml``, and where it is fitted.

    `threshold_unit` is that of the thresholds: fractions of the price, or standard deviations of the symbol's own
    returns over the horizon. `label_prices` says between which prices returns are. `market_wide`: whether the model
    sees what is the same for all symbols of a date. `search_space` is what `vane train --trials` searches. `device`:
    where trees are grown; predictions are always made on the processor. `jobs` is the number of processes in which
    walk-forward windows are fitted (None: one a core), `dask` the address of a scheduler whose workers fit them
    instead.
    """

    threshold_unit: Literal["fraction", "volatility"] = "fraction"
    label_prices: Literal["close_close", "open_open"] = "close_close"
    class_weights: Literal["none", "balanced"] = "none"
    market_wide: bool = False
    search_space: Literal["conservative", "documented"] = "conservative"
    device: Literal["cpu", "cuda"] = "cpu"
    jobs: Annotated[int, Field(ge=1)] | None = None
    dask: Annotated[str, Field(min_length=1)] | None = None


class DataSettings(_Section):
    """Which exchange's sessions count, and which series are looked at but never traded.

    `market_calendar` is the exchange of the market, volatility and sector series where they come in a file of their own
    with session dates: each date becomes that exchange's close.
    """

    calendar: str = "XNYS"
    market_calendar: str = "XNYS"
    market: str = "SPY"
    volatility: str = "^VIX"
    sector_etfs: dict[str, str] = {}
    features_dir: Path = Path("data/features")


class ModelSettings(_Section):
    """Where model bundles live; with the store `postgres`, `dir` is a copy of what is there."""

    dir: Path = Path("models")
    store: Literal["files", "postgres"] = "files"


class EventSettings(_Section):
    """Where events are made durable, and for how long (days)."""

    path: Path = Path("var/events.db")
    retain_days: Annotated[int, Field(ge=1)] = 365


class RedisSettings(_Section):
    """Where events are relayed to; None: nowhere."""

    url: SecretStr | None = None
    maxlen: Annotated[int, Field(ge=1)] = 100_000


class PostgresSettings(_Section):
    """Where the registry lives, if in a database, and how old (seconds) a copy of it may be."""

    dsn: SecretStr | None = None
    refresh_seconds: Annotated[float, Field(gt=0)] = 60


class MonitorSettings(_Section):
    """When the monitor speaks.

    `window` and `accuracy_window` count slices; `psi_minor` and `psi_major` are floors under the thresholds that the
    model's own reference implies; `persist` is K of N checks; `cooldown_bars` counts slices.
    """

    window: Annotated[int, Field(ge=5)] = 60
    psi_minor: Annotated[float, Field(gt=0)] = 0.1
    psi_major: Annotated[float, Field(gt=0)] = 0.2
    accuracy_window: Annotated[int, Field(ge=10)] = 100
    stale_action: Literal["mark", "abstain"] = "mark"
    accuracy_floor: Annotated[float, Field(ge=0, le=1)] | None = None
    fdr: Annotated[float, Field(gt=0, lt=1)] = 0.01
    persist: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] = (3, 5)
    cooldown_bars: Annotated[int, Field(ge=0)] = 20

    @model_validator(mode="after")
    def _ordered(self) -> MonitorSettings:
        if self.psi_minor > self.psi_major:
            raise ValueError(f"expected psi_minor <= psi_major, was {self.psi_minor} > {self.psi_major}")
        if self.persist[0] > self.persist[1]:
            raise ValueError(f"expected persist as K of N with K <= N, was {self.persist[0]} of {self.persist[1]}")
        return self


class AlertSettings(_Section):
    """Where alerts go. Tokens are secrets: masked wherever settings are shown."""

    slack_webhook: SecretStr | None = None
    telegram_token: SecretStr | None = None
    telegram_chat: str | None = None
    telegram_url: str = "https://api.telegram.org"


class LiveSettings(_Section):
    """The live runner's universe, its patience, and its port on localhost."""

    universe: tuple[str, ...] = ()
    slice_timeout_seconds: Annotated[float, Field(gt=0)] = 5
    health_port: Annotated[int, Field(ge=1, le=65535)] = 8787


class JobSettings(_Section):
    """When jobs run (UTC)."""

    retrain: Annotated[str, Field(pattern=r"^(Mon|Tue|Wed|Thu|Fri|Sat|Sun) ([01]\d|2[0-3]):[0-5]\d$")] = "Sun 02:00"
    min_retrain_hours: Annotated[float, Field(ge=0)] = 24


class Settings(BaseSettings):
    """Everything that can be configured, frozen.

    Sources, the first wins: arguments, environment variables (``SA_ML__PREDICTION_HORIZON=3``, nested ones
    ``SA_ML__XGB_PARAMS__N_ESTIMATORS=500``), the YAML file. Use `load_settings`, whose errors name the key.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, case_sensitive=False
    )

    ml: MLSettings = MLSettings()
    training: TrainingSettings = TrainingSettings()
    data: DataSettings = DataSettings()
    models: ModelSettings = ModelSettings()
    events: EventSettings = EventSettings()
    redis: RedisSettings = RedisSettings()
    postgres: PostgresSettings = PostgresSettings()
    monitor: MonitorSettings = MonitorSettings()
    alerts: AlertSettings = AlertSettings()
    live: LiveSettings = LiveSettings()
    jobs: JobSettings = JobSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (given by pydantic, not used)
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources; the file is `settings_path()`."""
        path = settings_path()
        if path is None:
            return init_settings, env_settings
        return init_settings, env_settings, YamlConfigSettingsSource(settings_cls, yaml_file=path)

    def shown(self) -> dict[str, Any]:
        """Return the settings as JSON values with every secret masked."""
        return self.model_dump(mode="json")


def settings_path() -> Path | None:
    """Return the file in force: ``SA_CONFIG``, else ``./config/settings.yaml``, else None (the defaults).

    Raises
    ------
    ConfigError
        If ``SA_CONFIG`` names a file that is not there.
    """
    named = os.environ.get(f"{PREFIX}CONFIG")
    if named:
        path = Path(named)
        if not path.is_file():
            raise ConfigError(f"{PREFIX}CONFIG: expected a settings file, but {path} is not there")
        return path
    return DEFAULT_PATH if DEFAULT_PATH.is_file() else None


def load_settings() -> Settings:
    """Read file and environment.

    Raises
    ------
    ConfigError
        Naming every key that is unknown or has an impossible value.
    """
    _refuse_unknown_variables()
    path = settings_path()
    try:
        _refuse_other_than_sections(path)
        return Settings()
    except ValidationError as error:
        raise ConfigError(problems_of(error, Settings, path)) from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {_unquoted(error)}") from None
    except ValueError as error:  # a variable that should hold JSON and does not
        hint = """lists and mappings are JSON, for example SA_LIVE__UNIVERSE='["AAPL"]'"""
        raise ConfigError(f"{', '.join(no_json(Settings)) or error}: {hint}") from None


class _OnceEach(yaml.SafeLoader):
    """Refuses a key that is there twice in one mapping, as YAML does: the last one would win in silence."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen = set[str]()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"{key.value} is there twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return node


def _unquoted(error: Exception) -> str:
    """Return what a YAML error says and where, without the line itself: it could hold a secret."""
    mark = getattr(error, "problem_mark", None)
    place = "" if mark is None else f" in line {mark.line + 1}, column {mark.column + 1}"
    return f"{getattr(error, 'problem', None) or getattr(error, 'reason', 'unreadable')}{place}"


def _refuse_other_than_sections(path: Path | None) -> None:
    # pydantic-settings takes any YAML for a mapping and fails with the words of a dictionary's update.
    if path is None:
        return
    try:
        held = yaml.load(path.read_text(encoding="utf-8"), _OnceEach)  # noqa: S506 (a safe loader)
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: expected text in UTF-8") from None
    if held is not None and not isinstance(held, dict):
        raise ConfigError(f"{path}: expected sections such as `ml:`, was a {type(held).__name__}")
    for name in held or ():
        if not isinstance(name, str):
            raise ConfigError(f"{path}: {name}: no such setting")


def _refuse_unknown_variables() -> None:
    # pydantic-settings ignores variables of an unknown section; a misspelt override must not pass in silence.
    for (section, *_), variable in variables().items():
        if section.lower() not in Settings.model_fields:
            raise ConfigError(
                f"{variable}: no such section{nearest(section, Settings.model_fields)}; expected "
                f"{PREFIX}<SECTION>__<KEY> with a section of {', '.join(Settings.model_fields)}"
            )
