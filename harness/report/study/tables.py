"""Data frames of records: trials, evaluations, finalists, spans of work, and time by part.

Column names carry their units.
"""

from __future__ import annotations

from bisect import bisect_right
from math import inf, nan

import numpy as np
import pandas as pd

from harness.records.schema import TrialRecord
from harness.report.kit.view import View

__all__ = [
    "bin_middles",
    "cells_frame",
    "finalists_frame",
    "history_frame",
    "phase_times",
    "slot_use",
    "spans_frame",
    "time_frame",
    "trials_frame",
    "wall_s",
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
                "reached": record.reached,
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


def phase_times(view: View) -> list[tuple[str, float, float]]:
    """Phase, begin and end of each search and confirmation, in order (Unix times); a killed one ends with its work.

    Of runs of earlier versions, which have not recorded them, the stretches in which a trial ran, as phase "".
    """
    records = [*view.trials, *view.results.confirm]
    work = sorted((span.start, span.end) for record in records for span in record.spans)
    periods = view.results.periods
    if not periods or (work and work[0][0] < periods[0].start):
        return _stretches(work)
    nexts = [*(period.start for period in periods[1:]), inf]
    times = []
    for period, until in zip(periods, nexts, strict=True):
        ends = [end for start, end in work if period.start <= start < until]
        times.append((str(period.phase), period.start, max([period.end or period.start, *ends])))
    return times


def _stretches(work: list[tuple[float, float]]) -> list[tuple[str, float, float]]:
    """The times in which at least one of the spans of `work`, sorted, was going on."""
    stretches: list[tuple[str, float, float]] = []
    for start, end in work:
        if stretches and start <= stretches[-1][2]:
            stretches[-1] = ("", stretches[-1][1], max(end, stretches[-1][2]))
        else:
            stretches.append(("", start, end))
    return stretches


def wall_s(view: View) -> float:
    """The seconds of all searches and confirmations."""
    return sum(end - start for _, start, end in phase_times(view))


def spans_frame(view: View) -> pd.DataFrame:
    """One row per span of work on a slot: trial, kind, state, slot, start and end in seconds of `phase_times`.

    Time between two of these, as between two sweeps of a study, is left out.
    """
    times = phase_times(view)
    begins = [start for _, start, _ in times]
    before = np.cumsum([0.0, *(end - start for _, start, end in times)])
    rows = []
    for record in (*view.trials, *view.results.confirm):
        for span in record.spans:
            place = bisect_right(begins, span.start) - 1
            shift = before[place] - begins[place]
            rows.append(
                {
                    "number": record.number,
                    "kind": record.kind,
                    "state": record.state.value,
                    "slot": span.slot,
                    "start_s": span.start + shift,
                    "end_s": span.end + shift,
                }
            )
    columns = ["number", "kind", "state", "slot", "start_s", "end_s"]
    return pd.DataFrame(rows, columns=columns).sort_values(["slot", "start_s"], ignore_index=True)


def slot_use(spans: pd.DataFrame, total_s: float) -> float:
    """Returns the share of the slots' time, `total_s` of each, in which a trial ran; NaN where none did."""
    if spans.empty or not total_s:
        return nan
    return float((spans["end_s"] - spans["start_s"]).sum()) / (total_s * spans["slot"].nunique())


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
