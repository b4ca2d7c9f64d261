"""The choices of the slider: which checkpoint to take at a least speed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.records.schema import TrialRecord
from harness.report.kit.text import clip, number
from harness.report.kit.view import View
from harness.report.study.checkpoints.candidates import Candidate

__all__ = ["checkpoint_choices", "prediction_speeds"]

Kind = tuple[str, int | None, str, int]


def prediction_speeds(view: View, ranked: list[Candidate]) -> Mapping[int, float]:
    """Rows a second that the model of each completed trial predicts, by trial; {} unless all leaders have one.

    It is measured of the models that are scored on test, and equal for all of one checkpoint, precision and length.
    """
    records = {record.number: record for record in view.trials}
    known = {
        _kind(records[model.number]): model.speed.rows_per_second
        for model in view.models.values()
        if model.speed is not None and model.number is not None and model.number in records
    }
    if not all(_kind(candidate.best) in known for candidate in ranked):
        return {}
    return {record.number: known[_kind(record)] for record in view.completed if _kind(record) in known}


def _kind(record: TrialRecord) -> Kind:
    config = record.config
    return config.model.checkpoint, config.model.layers, record.precision or "", config.data.max_length


def checkpoint_choices(view: View, ranked: list[Candidate]) -> list[dict[str, Any]]:
    """The choices of the slider, best first: every configuration that is faster than all better ones."""
    predicts = prediction_speeds(view, ranked)
    leaders = {candidate.checkpoint: candidate for candidate in ranked}

    def place(record: TrialRecord) -> tuple[float, bool]:
        # At best equal to the leader of its checkpoint: a lucky single run does not precede a mean over seeds.
        leader = leaders[view.checkpoint_of(record)]
        key = view.metric.sort_key
        return max(key(view.mean(record)), key(leader.score.value)), record is not leader.best

    choices: list[dict[str, Any]] = []
    for record in sorted(view.completed if ranked else (), key=place):
        rate = predicts.get(record.number, 0.0) if predicts else view.cost(record, "samples_per_second")
        # Rounded as on the page, because the slider ends at it.
        speed = float(f"{rate:.6g}")
        if choices and speed <= choices[-1]["speed"]:
            continue
        choices.append(
            {
                "name": clip(view.checkpoint_of(record), 120),
                "speed": speed,
                "text": f"validation {view.score_name} {view.score_text(view.mean(record))} at {number(speed)} "
                f"{'rows' if predicts else 'samples'}/s (trial {record.number})",
            }
        )
    return choices
