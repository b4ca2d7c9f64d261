"""Sentences on what models cost to serve: the best of each compared checkpoint, and a rival that costs less."""

from __future__ import annotations

from collections.abc import Iterator

from harness.records.final import FinalModel, PredictionSpeed
from harness.report.kit.sections import Sentence
from harness.report.kit.text import (
    capitalised,
    clip,
    metric_title,
    number,
    plural,
    score_and_interval,
    verdict_word,
)
from harness.report.kit.view import View
from harness.runtime import program, shown_path
from harness.spec.foreign import trust_option

__all__ = ["alternative", "checkpoint_lines", "ranges", "size_number", "speed_text"]

#: A rival that cannot be told apart from the winner is named where all its passes are faster by at least this factor,
#: or its weights smaller.
_CHEAPER = 1.25


def checkpoint_lines(view: View, name: str, pick: FinalModel) -> Iterator[Sentence]:
    """A sentence on the best model of each compared checkpoint: test score, size, speed, and against the winner."""
    leaders: dict[str, FinalModel] = {}
    for model in view.models.values():
        if model.checkpoint is not None and model.kind != "default":
            leaders.setdefault(model.checkpoint, model)
    for checkpoint, model in leaders.items() if len(leaders) > 1 else ():
        bounds = model.test.get(name)
        score = score_and_interval(name, bounds) if bounds else "no score"
        speed = f", predicts {speed_text(model.speed)}" if model.speed else ""
        place = "the winner, " if model is pick else ""
        text = f"{metric_title(name)} {score} on test{speed}: {place}trial {model.number}{_against(view, model)}."
        yield Sentence(clip(view.checkpoint_name(checkpoint), 40), capitalised(text))


def _against(view: View, model: FinalModel) -> str:
    """What the winner is, compared with the best model of another checkpoint."""
    compared = view.comparison(model.role)
    if compared is None:
        return ""
    return ", cannot be told apart from the winner" if compared.tie else f"; the winner is {verdict_word(compared)}"


def speed_text(speed: PredictionSpeed) -> str:
    """ "812 rows/s (790 to 830 over 5 passes), 4.1 ms for one row (4.0 to 4.6 over 15 rows), 91 MB"."""
    rate, row = (f" ({spread})" if spread else "" for spread in _spreads(speed))
    return f"{_rate_text(speed)}{rate}, {number(speed.row_ms)} ms for one row{row}, {_size_text(speed)}"


def _rate_text(speed: PredictionSpeed) -> str:
    return f"{number(speed.rows_per_second)} rows/s"


def _spreads(speed: PredictionSpeed) -> tuple[str, str]:
    """The ranges with the numbers of passes and rows; "" where an earlier version did not record them."""
    rate, row = ranges(speed)
    return (
        f"{rate} over {speed.passes:,} passes" if rate else "",
        f"{row} over {plural(speed.single_rows, 'row')}" if row and speed.single_rows > 1 else "",
    )


def ranges(speed: PredictionSpeed) -> tuple[str, str]:
    """The slowest and the fastest pass, "790 to 830", and the fastest and slowest single row; "" where not recorded."""
    slowest, fastest = speed.slowest_rows_per_second, speed.fastest_rows_per_second
    low, high = speed.fastest_row_ms, speed.slowest_row_ms
    return (
        f"{number(slowest)} to {number(fastest)}" if slowest is not None and fastest is not None else "",
        f"{number(low)} to {number(high)}" if low is not None and high is not None and speed.single_rows != 1 else "",
    )


def size_number(speed: PredictionSpeed) -> str:
    """The MB of a model's weights: "91"; of a small model, "0.15"."""
    return f"{speed.megabytes:,.0f}" if speed.megabytes >= 10 else f"{speed.megabytes:.2g}"


def _size_text(speed: PredictionSpeed) -> str:
    return f"{size_number(speed)} MB"


def alternative(view: View, pick: FinalModel) -> list[Sentence]:
    """A rival that cannot be told apart from the winner and costs less to serve, with its command; or none.

    It is the fastest that is faster beyond the noise of the measurement (its slowest pass is compared with the winner's
    fastest), else the smallest whose weights are smaller.
    """
    own = pick.speed
    if own is None:
        return []
    tied = [
        (model.speed, model)
        for model in view.models.values()
        if model.speed is not None and model.number != pick.number
        if (compared := view.comparison(model.role)) is not None and compared.tie
    ]
    faster = [pair for pair in tied if _least_factor(pair[0], own) >= _CHEAPER]
    smaller = [pair for pair in tied if own.megabytes >= _CHEAPER * pair[0].megabytes > 0]
    if faster:
        speed, rival = max(faster, key=lambda pair: _least_factor(pair[0], own))
        rates = " against ".join(
            f"{_rate_text(one)} ({spread})" if (spread := _spreads(one)[0]) else _rate_text(one) for one in (speed, own)
        )
        saving = f"predicts {speed.rows_per_second / own.rows_per_second:.1f} times as fast ({rates})"
    elif smaller:
        speed, rival = min(smaller, key=lambda pair: pair[0].megabytes)
        saving = f"is smaller ({_size_text(speed)} against {_size_text(own)})"
    else:
        return []
    options = f"--trial {rival.number} --to DIR{trust_option(view.task.name)}"
    command = f"{program()} export {shown_path(view.results.folder)} {options}"
    return [
        Sentence("Alternative", f"Trial {rival.number} cannot be told apart from the winner and {saving}.", command)
    ]


def _least_factor(rival: PredictionSpeed, pick: PredictionSpeed) -> float:
    """How much faster the rival predicts in its slowest pass than the pick in its fastest."""
    return (rival.slowest_rows_per_second or rival.rows_per_second) / (
        pick.fastest_rows_per_second or pick.rows_per_second
    )
