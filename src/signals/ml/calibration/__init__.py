"""Calibration: what a model states becomes what happens, fitted on rows that the model had not seen."""

from signals.ml.calibration.calibrator import ConfidenceCalibrator
from signals.ml.calibration.choice import Choice
from signals.ml.calibration.methods import Method
from signals.ml.calibration.reliability import Bucket, Reliability, ReliabilityCurve, reliability

__all__ = ["Bucket", "Choice", "ConfidenceCalibrator", "Method", "Reliability", "ReliabilityCurve", "reliability"]
