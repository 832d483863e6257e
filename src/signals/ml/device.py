"""Where trees are grown: the processor, or a CUDA device that is really there."""

from __future__ import annotations

import ctypes

from signals.errors import ConfigError

__all__ = ["cuda_devices", "require_device"]


def require_device(device: str | float) -> None:
    """Refuse CUDA where there is none: XGBoost would warn and go on slowly, and the model would be another one.

    Raises
    ------
    ConfigError
        Saying what is missing.
    """
    if device != "cuda":
        return
    import xgboost as xgb

    missing = ""
    if not xgb.build_info().get("USE_CUDA"):
        missing = "this build of XGBoost has no CUDA"
    elif not cuda_devices():
        missing = "this machine shows no CUDA device"
    if missing:
        raise ConfigError(f"training.device: expected a CUDA device, but {missing}; set it to cpu, or mend the driver")


def cuda_devices() -> int:
    """Count the CUDA devices that the driver shows; 0 without a driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return 0
    return count.value
