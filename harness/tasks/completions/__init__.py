"""What causal language models share: how prompts are laid out, how answers are written, and simple answers."""
