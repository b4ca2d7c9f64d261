"""Readers of JSON: one document, or an object a line."""
