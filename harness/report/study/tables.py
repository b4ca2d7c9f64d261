"""Data frames of records: trials, evaluations, finalists, spans of work, and time by part.

Column names carry their units.
"""

from __future__ import annotations

from math import nan

import numpy as np
import pandas as pd

from harness.records.schema import TrialRecord
from harness.report.kit.view import View

__all__ = [
    "bin_middles",
    "cells_frame",
    "finalists_frame",
    "history_frame",
    "slot_use",
    "spans_frame",
    "time_frame",
    "trials_frame",
]

PARTS = ("start", "data", "step", "evaluation", "saving")


def trials_frame(view: View) -> pd.DataFrame:
    """One row per search trial, by number: state, params (`params_*`), metrics, cost."""
    rows = []
    for record in view.trials:
        usage = record.usage
        params = {f"params_{name}": record.params.get(name) for name in view.params}
        rows.append(
            {
                "number": record.number,
                "state": record.state.value,
                "reason": record.reason.value if record.reason else None,
                "message": record.message,
                "checkpoint": view.checkpoint_of(record),
                "seed": record.seed,
                **params,
                "reached": record.history[-1].fraction if record.history else 0.0,
                **record.metrics,
                "samples_per_second": usage.samples_per_second or nan,
                "tokens_per_second": usage.tokens_per_second or nan,
                "padding_fraction": usage.padding_fraction if usage.positions else nan,
                "peak_memory_mib": usage.peak_memory_mib or nan,
                "duration_s": record.duration_s,
            }
        )
    return pd.DataFrame(rows).reindex(columns=_columns(rows, ["number", "state"]))


def history_frame(view: View) -> pd.DataFrame:
    """One row per evaluation of a search or confirmation trial."""
    rows = []
    for record in (*view.trials, *view.results.confirm):
        for progress in record.history:
            rows.append({"number": record.number, "kind": record.kind, "state": record.state.value, **progress.row()})
    return pd.DataFrame(rows).reindex(
        columns=_columns(rows, ["number", "kind", "state", "step", "epoch", "train_loss"])
    )


def finalists_frame(view: View) -> pd.DataFrame:
    """One row per confirmed configuration: seeds, params, mean and standard deviation of each metric over seeds."""
    final = view.results.final
    rows = []
    for finalist in final.finalists if final else ():
        spreads = {f"{name}_std": value for name, value in finalist.std.items()}
        params = {f"params_{name}": value for name, value in finalist.params.items()}
        rows.append(
            {"number": finalist.number, "num_seeds": len(finalist.seeds), **params, **finalist.metrics, **spreads}
        )
    return pd.DataFrame(rows).reindex(columns=_columns(rows, ["number", "num_seeds"]))


def spans_frame(view: View) -> pd.DataFrame:
    """One row per span of work on a slot: trial, kind, state, slot, start and end in seconds after the first start.

    Time in which no trial ran, as between two sweeps of a study, is left out.
    """
    records = [*view.trials, *view.results.confirm]
    work = sorted(((span, record) for record in records for span in record.spans), key=lambda pair: pair[0].start)
    left_out = until = work[0][0].start if work else 0.0
    rows = []
    for span, record in work:
        left_out += max(0.0, span.start - until)
        until = max(until, span.end)
        rows.append(
            {
                "number": record.number,
                "kind": record.kind,
                "state": record.state.value,
                "slot": span.slot,
                "start_s": span.start - left_out,
                "end_s": span.end - left_out,
            }
        )
    columns = ["number", "kind", "state", "slot", "start_s", "end_s"]
    return pd.DataFrame(rows, columns=columns).sort_values(["slot", "start_s"], ignore_index=True)


def slot_use(spans: pd.DataFrame) -> tuple[float, float]:
    """Returns the share of slot time in which a trial ran, and the seconds from first start to last end."""
    if spans.empty:
        return nan, 0.0
    total = float(spans["end_s"].max())
    busy = float((spans["end_s"] - spans["start_s"]).sum())
    return (busy / (total * spans["slot"].nunique()) if total else nan), total


def time_frame(view: View) -> pd.DataFrame:
    """One row per trial that ran: the seconds of each part of its wall time; `other` is time on a slot outside them."""
    rows = []
    for record in (*view.trials, *view.results.confirm):
        parts = record.usage.times()
        if record.duration_s or any(parts.values()):
            other = max(0.0, record.duration_s - sum(parts.values()))
            rows.append({"number": record.number, "kind": record.kind, **parts, "other": other})
    return pd.DataFrame(rows, columns=["number", "kind", *PARTS, "other"])


def cells_frame(view: View, column: str, row: str, bins: int = 8) -> pd.DataFrame:
    """Scored trials in a grid of two params: `x`, `y`, `score`, and the middle of each one's bin (`x_bin`, `y_bin`)."""
    frame = pd.DataFrame(
        [
            {"x": record.params[column], "y": record.params[row], "score": view.score(record), "number": record.number}
            for record in view.scored
            if _is_number(record, column) and _is_number(record, row)
        ],
        columns=["x", "y", "score", "number"],
    )
    return frame.assign(
        x_bin=_bins(frame["x"], view.is_log(column), bins), y_bin=_bins(frame["y"], view.is_log(row), bins)
    )


def _is_number(record: TrialRecord, name: str) -> bool:
    value = record.params.get(name)
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def bin_middles(values: pd.Series, log: bool, count: int = 8) -> np.ndarray:
    """The middles of `count` bins of equal width, empty ones too; the values themselves when there are few of them."""
    if values.nunique() <= count:
        return np.sort(values.astype(float).unique())
    scale = np.log10(values.astype(float)) if log else values.astype(float)
    edges = np.linspace(scale.min(), scale.max(), count + 1)
    middle = (edges[:-1] + edges[1:]) / 2
    middles: np.ndarray = 10**middle if log else middle
    return middles


def _bins(values: pd.Series, log: bool, count: int) -> pd.Series:
    """The middle of each value's bin."""
    middles = bin_middles(values, log, count)
    scale, marks = (np.log10(values.astype(float)), np.log10(middles)) if log else (values.astype(float), middles)
    place = np.searchsorted((marks[:-1] + marks[1:]) / 2, scale)
    return pd.Series(middles[place], index=values.index)


def _columns(rows: list[dict], least: list[str]) -> list[str]:
    """All columns in the order of their first use; `least` when there is no row."""
    return list(dict.fromkeys(name for row in rows for name in row)) or least
