"""A decision as bytes and back, bit for bit: a JSON header and raw little-endian arrays, nothing pickled.

Layout: 8 bytes of magic, the header's length as ``uint32``, the header (canonical JSON), the names of symbols and then
of those that abstained by reason (UTF-8, a zero byte between them), the signals (canonical JSON), then closes
(``<f8``), probabilities (``<f4``) and bin counts (``<u2``) in C order. Every size is known from the header and checked.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Sequence
from datetime import datetime
from itertools import chain, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signals.errors import EventLogError
from signals.events.schema import Abstention, Decision, Outlook
from strategy.signal import JSON, Signal, SignalDirection, canonical_json

__all__ = ["decode_decision", "encode_decision"]

_MAGIC = b"VANEDEC4"
_BETWEEN = "\0"
_LENGTH = struct.Struct("<I")
_ARRAYS = (("closes", "<f8"), ("probabilities", "<f4"), ("bin_counts", "<u2"))


def encode_decision(decision: Decision, signals: Sequence[str] | None = None) -> bytes:
    """Return the bytes of a decision; equal decisions give equal bytes.

    Parameters
    ----------
    signals
        The signals' canonical JSON, where it was made before: the texts of their events.

    Raises
    ------
    ValueError
        If a signal's metadata, or a close among the others, is NaN or infinite, which JSON cannot name, or a symbol
        holds a zero byte.
    """
    arrays = {name: np.ascontiguousarray(getattr(decision, name), kind) for name, kind in _ARRAYS}
    abstained = sorted(decision.abstained.items())
    listed = [*decision.symbols, *chain.from_iterable(names for _, names in abstained)]
    names = _BETWEEN.join(listed)
    if names.count(_BETWEEN) != max(len(listed) - 1, 0):
        raise ValueError("expected symbols without zero bytes, was one that holds some")
    text = names.encode()
    texts = [canonical_json(signal.to_json()) for signal in decision.signals] if signals is None else signals
    said = f"[{','.join(texts)}]".encode()
    header = {
        "timestamp": decision.timestamp.isoformat(),
        "strategy": decision.strategy_name,
        "model_version": decision.model_version,
        "shadow": decision.shadow,
        "symbols": len(decision.symbols),
        "abstained": [[reason.value, len(absent)] for reason, absent in abstained],
        "names": len(text),
        "signals": len(said),
        "others": dict(decision.others),
        "outlook": _plain(decision.outlook),
        "shapes": {name: list(array.shape) for name, array in arrays.items()},
    }
    head = canonical_json(header).encode()
    written = (array.tobytes() for array in arrays.values())
    return b"".join([_MAGIC, _LENGTH.pack(len(head)), head, text, said, *written])


def decode_decision(body: bytes) -> Decision:
    """Return the decision of `encode_decision`; its arrays are read-only.

    Raises
    ------
    EventLogError
        If the bytes are not a whole decision.
    """
    start = len(_MAGIC) + _LENGTH.size
    if len(body) < start or body[: len(_MAGIC)] != _MAGIC:
        raise EventLogError(f"expected the bytes of a decision ({_MAGIC.decode()}...), was {body[:8]!r}")
    end = start + _LENGTH.unpack_from(body, len(_MAGIC))[0]
    try:
        header = json.loads(body[start:end])
        start, end = end, end + header["names"]
        symbols, *absent = _names(body[start:end], [header["symbols"], *(count for _, count in header["abstained"])])
        start, end = end, end + header["signals"]
        signals = json.loads(body[start:end])
        arrays = _arrays(body[end:], header["shapes"])
        return Decision(
            datetime.fromisoformat(header["timestamp"]),
            header["strategy"],
            header["model_version"],
            header["shadow"],
            symbols,
            **arrays,
            abstained={
                Abstention(reason): names for (reason, _), names in zip(header["abstained"], absent, strict=True)
            },
            signals=tuple(_signal(fields) for fields in signals),
            others=header["others"],
            outlook=_outlook(header["outlook"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EventLogError(f"the bytes of a decision are damaged: {error}; restore the event log's file") from error


def _names(text: bytes, counts: Sequence[int]) -> list[tuple[str, ...]]:
    found = text.decode().split(_BETWEEN) if text else []
    if len(found) != sum(counts):
        raise ValueError(f"expected {sum(counts)} names, were {len(found)}")
    names = iter(found)
    return [tuple(islice(names, count)) for count in counts]


def _arrays(body: bytes, shapes: dict[str, list[int]]) -> dict[str, NDArray[Any]]:
    sizes = [math.prod(shapes[name]) * np.dtype(kind).itemsize for name, kind in _ARRAYS]
    if len(body) != sum(sizes):
        raise ValueError(f"expected {sum(sizes)} bytes of arrays, was {len(body)}")
    arrays, start = {}, 0
    for (name, kind), size in zip(_ARRAYS, sizes, strict=True):
        # Copied, because a slice of bytes need not be aligned.
        array = np.frombuffer(body, kind, math.prod(shapes[name]), start).reshape(shapes[name]).copy()
        array.flags.writeable = False
        arrays[name] = array
        start += size
    return arrays


def _plain(outlook: Outlook | None) -> dict[str, JSON] | None:
    if outlook is None:
        return None
    until = None if outlook.until is None else outlook.until.isoformat()
    return {"horizon": outlook.horizon, "up": outlook.up, "down": outlook.down, "until": until}


def _outlook(fields: dict[str, Any] | None) -> Outlook | None:
    if fields is None:
        return None
    until = fields["until"]
    return Outlook(fields["horizon"], fields["up"], fields["down"], until and datetime.fromisoformat(until))


def _signal(fields: dict[str, Any]) -> Signal:
    expires = fields["expires_at"]
    return Signal(
        fields["symbol"],
        datetime.fromisoformat(fields["timestamp"]),
        SignalDirection(fields["direction"]),
        fields["strength"],
        fields["strategy_name"],
        fields["metadata"],
        None if expires is None else datetime.fromisoformat(expires),
        fields["id"],
    )
