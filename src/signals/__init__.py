"""Trading signals from gradient-boosted trees: features, training, gates, monitoring, live events."""
