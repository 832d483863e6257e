"""What the model sees: every feature defined once, for batch and live."""
