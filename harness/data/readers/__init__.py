"""Readers of tables: a small module for each family of formats."""
