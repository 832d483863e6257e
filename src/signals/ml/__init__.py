"""Training, validation, calibration, gates, bundles, registry, monitoring."""
