"""Reads benchmark files of both kinds: of `harness bench` and of `pytest benchmarks/ --benchmark-json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.errors import InputError
from harness.records.bench import BenchFile, bench_of, read_json_file

__all__ = ["CELL", "MACHINE", "is_bench_file", "read_any"]

#: The keys of `extra_info` and `machine_info` under which the benchmark suite writes a cell and the machine.
CELL, MACHINE = "harness_cell", "harness_machine"


def is_bench_file(path: Path) -> bool:
    """True when a path on the command line means a benchmark file, not a run folder."""
    return path.suffix.lower() == ".json" or path.is_file()


def read_any(path: Path) -> BenchFile:
    """Reads a benchmark file of either kind.

    Raises:
        InputError: it cannot be read, or is of neither kind.
    """
    value = read_json_file(path)
    if isinstance(value, dict) and isinstance(value.get("benchmarks"), list):
        return bench_of(_from_pytest(value, path), path)
    return bench_of(value, path)


def _from_pytest(value: dict[str, Any], path: Path) -> dict[str, Any]:
    """The benchmark in the extra columns of a pytest-benchmark file, as `harness bench` would write it."""
    info = value.get("machine_info")
    machine = info.get(MACHINE) if isinstance(info, dict) else None
    extras = [row.get("extra_info") for row in value["benchmarks"] if isinstance(row, dict)]
    cells = [extra[CELL] for extra in extras if isinstance(extra, dict) and CELL in extra]
    if not isinstance(machine, dict) or not cells:
        raise InputError(
            f"{path} is a pytest-benchmark file without harness's columns; "
            "such are made by: pytest benchmarks/ --benchmark-json=FILE"
        )
    return {**machine, "cells": cells}
