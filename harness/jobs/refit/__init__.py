"""Trains the recipe of a trial once more on more rows, for shipping."""
