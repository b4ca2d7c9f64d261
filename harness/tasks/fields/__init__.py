"""Rows of categories and numbers: the ids that they become, the small model that reads them, and simpler models."""
