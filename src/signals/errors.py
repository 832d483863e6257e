"""Every error that Vane raises on purpose.

::

    VaneError
    ├── ConfigError                 a setting is unknown or impossible
    ├── DataError                   an input was refused: file, row, symbol, expected, got
    │   ├── FileError               the file as a whole
    │   │   ├── MissingFile         not there
    │   │   ├── UnreadableFile      truncated, not the format that its name claims
    │   │   ├── EmptyFile           no rows
    │   │   └── MissingColumns      a needed column is absent
    │   └── RowError                one row
    │       ├── WrongType           not a number, not a date
    │       ├── ThousandsSeparator  1,234.5 where 1234.5 was expected
    │       ├── NullValue           an empty cell
    │       ├── NotFinite           NaN or infinite
    │       ├── NotPositive         a price of zero or less
    │       ├── BrokenOrder         low <= open, close <= high does not hold
    │       ├── NegativeVolume      volume below zero
    │       ├── NaiveTime           a time without zone, and no tz= given
    │       ├── MixedZones          rows of one file in several zones
    │       ├── NoSession           a date on which the exchange was closed
    │       ├── FutureTime          later than the time of reading
    │       ├── DuplicateTime       the same symbol and instant twice
    │       └── BackwardsTime       earlier than the row before it
    ├── FeatureError                a feature or its inputs break their contract
    ├── TrainingError               training cannot go on
    │   ├── TooFewRows              below min_training_samples, or no window fits
    │   ├── OneClass                a target with a single class
    │   ├── MisalignedTarget        features and target differ in their index
    │   └── HolesInBars             label ends cannot be derived from an index with missing bars
    ├── BundleError                 a model bundle was refused
    │   ├── BundleDamaged           size or SHA-256 differ, or a file is missing
    │   ├── BundleUnknown           written by a newer version, or for another recipe
    │   └── GoldenRowsDiffer        the model does not give the probabilities that it must
    ├── RegistryError               no such version, or the same id with other bytes
    │   └── ActivationConflict      somebody else activated a version in between
    └── EventLogError               the event log cannot be opened, read or written
        └── EventConflict           the same event id with another body

The strategy room has two of its own, `strategy.BarError` and `strategy.EngineError`: it knows nothing of this one.
"""

from __future__ import annotations

__all__ = [
    "ActivationConflict",
    "BackwardsTime",
    "BrokenOrder",
    "BundleDamaged",
    "BundleError",
    "BundleUnknown",
    "ConfigError",
    "DataError",
    "DuplicateTime",
    "EmptyFile",
    "EventConflict",
    "EventLogError",
    "FeatureError",
    "FileError",
    "FutureTime",
    "GoldenRowsDiffer",
    "HolesInBars",
    "MisalignedTarget",
    "MissingColumns",
    "MissingFile",
    "MixedZones",
    "NaiveTime",
    "NegativeVolume",
    "NoSession",
    "NotFinite",
    "NotPositive",
    "NullValue",
    "OneClass",
    "RegistryError",
    "RowError",
    "ThousandsSeparator",
    "TooFewRows",
    "TrainingError",
    "UnreadableFile",
    "VaneError",
    "WrongType",
]


class VaneError(Exception):
    """Root of the tree; the command line shows its message as one line and exits with 1."""


class ConfigError(VaneError):
    """A setting is unknown or impossible; the message names it."""


class DataError(VaneError):
    """An input was refused.

    Parameters
    ----------
    expected, got
        What the rule asks for, and what came instead.
    file
        Where it came from, as the user named it.
    row
        Row of the file, counted from 1 after a header.
    symbol
        Instrument, where one is known.
    hint
        What to do about it.
    """

    def __init__(
        self, expected: str, got: str, *, file: str = "", row: int | None = None, symbol: str = "", hint: str = ""
    ) -> None:
        self.expected = expected
        self.got = got
        self.file = file
        self.row = row
        self.symbol = symbol
        self.hint = hint
        place = ", ".join(
            part for part in (file, "" if row is None else f"row {row}", f"symbol {symbol}" if symbol else "") if part
        )
        text = f"{place}: expected {expected}, was {got}" if place else f"expected {expected}, was {got}"
        super().__init__(f"{text}; {hint}" if hint else text)


class FileError(DataError):
    """The file as a whole was refused."""


class MissingFile(FileError):
    """The file is not there."""


class UnreadableFile(FileError):
    """The file is truncated, or not of the format that its name claims."""


class EmptyFile(FileError):
    """The file has no rows."""


class MissingColumns(FileError):
    """A needed column is absent."""


class RowError(DataError):
    """One row was refused."""


class WrongType(RowError):
    """A cell is not a number or not a date."""


class ThousandsSeparator(WrongType):
    """A number is written with thousands separators."""


class NullValue(RowError):
    """A cell is empty."""


class NotFinite(RowError):
    """A number is NaN or infinite."""


class NotPositive(RowError):
    """A price is zero or negative."""


class BrokenOrder(RowError):
    """The rule low <= open, close <= high does not hold."""


class NegativeVolume(RowError):
    """The volume is below zero."""


class NaiveTime(RowError):
    """A time has no zone, and the caller named none."""


class MixedZones(RowError):
    """One file holds times of several zones."""


class NoSession(RowError):
    """A date is no session of the calendar."""


class FutureTime(RowError):
    """A time lies after the moment of reading."""


class DuplicateTime(RowError):
    """The same symbol and instant came twice."""


class BackwardsTime(RowError):
    """A row is earlier than the one of the same symbol before it."""


class FeatureError(VaneError):
    """A feature or its inputs break their contract."""


class TrainingError(VaneError):
    """Training cannot go on; the message says what is missing."""


class TooFewRows(TrainingError):
    """Fewer rows than `min_training_samples`, or no walk-forward window fits."""


class OneClass(TrainingError):
    """The target has a single class: there is nothing to learn."""


class MisalignedTarget(TrainingError):
    """Features and target do not have the same index."""


class HolesInBars(TrainingError):
    """Label ends cannot be derived from an index in which bars are missing."""


class BundleError(VaneError):
    """A model bundle was refused; the model in use stays."""


class BundleDamaged(BundleError):
    """A file is missing, or its size or SHA-256 differ from the manifest."""


class BundleUnknown(BundleError):
    """The bundle was written by a newer version or belongs to another recipe."""


class GoldenRowsDiffer(BundleError):
    """The loaded model does not give the probabilities that its golden rows demand."""


class RegistryError(VaneError):
    """No such version, or the same id with other bytes."""


class ActivationConflict(RegistryError):
    """Somebody else activated a version in between: look, then try again."""


class EventLogError(VaneError):
    """The event log cannot be opened, read or written; nothing was written by halves."""


class EventConflict(EventLogError):
    """An event id came again with another body."""
