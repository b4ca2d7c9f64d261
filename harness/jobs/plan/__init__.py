"""Forecasts what a study takes before it is run."""
