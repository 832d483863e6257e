"""Replay of a strategy on recorded bars, with named fills and costs."""
