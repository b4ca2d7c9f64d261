"""The parts of token classification: the pieces of words, and baselines."""
