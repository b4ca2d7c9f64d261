"""Ranks checkpoints without training them."""
