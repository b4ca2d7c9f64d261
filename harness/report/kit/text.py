"""Numbers and foreign text as a reader wants them: rounded with units; escaped for figures and for Markdown.

Knows nothing of records. HTML is escaped by the template, never here.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from math import floor, isfinite, log10
from typing import Any

from harness.records.final import Interval
from harness.spec.metrics import METRICS

__all__ = [
    "METRIC_NAMES",
    "clip",
    "difference",
    "duration",
    "for_figure",
    "for_markdown",
    "interval",
    "join",
    "metric",
    "named_metric",
    "number",
    "param",
    "param_name",
    "percent",
    "plural",
    "points",
    "probability_text",
    "short_name",
]

METRIC_NAMES = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "mcc": "MCC",
    "roc_auc": "ROC AUC",
    "log_loss": "log loss",
    "samples_per_second": "samples/s",
    "tokens_per_second": "tokens/s",
    "peak_memory_mib": "peak memory",
}
_NONE = "–"
# Control characters and the marks that turn the direction of the text around them.
_INVISIBLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_MARKDOWN = re.compile(r"[\\`*_\[\]#|~<>@&$]|(?<=www)\.|:(?=//)", re.IGNORECASE)


def clip(text: object, width: int = 200) -> str:
    """Returns the text on one line, without control characters, at most `width` long."""
    line = " ".join(_INVISIBLE.sub(" ", str(text)).split())
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"


def for_figure(text: object, width: int = 40) -> str:
    """Returns foreign text for a label: plotly reads labels as a kind of HTML, links and styles included."""
    return html.escape(clip(text, width), quote=False)


def for_markdown(text: object, width: int = 200) -> str:
    """Returns foreign text for a Markdown table cell: no markup, no HTML, no mention, no link."""
    return _MARKDOWN.sub(lambda found: f"&#{ord(found[0])};", clip(text, width))


def percent(share: float | None, digits: int = 1) -> str:
    """0.958 -> "95.8 %"."""
    return f"{100 * share:.{digits}f}\u00a0%" if share is not None and isfinite(share) else _NONE


def number(value: float | None, digits: int = 3) -> str:
    """A number with `digits` significant digits and thousands kept apart: 1234.5 -> "1,230"."""
    if value is None or not isfinite(value):
        return _NONE
    if value == 0:
        return "0"
    places = digits - 1 - floor(log10(abs(value)))
    rounded = round(value, places)
    return f"{rounded:,.{max(0, places)}f}" if abs(rounded) >= 1e-4 else f"{rounded:.{digits - 1}g}"


def probability_text(value: float) -> str:
    """A probability in percent; the ends are not claimed."""
    return "above 99\u00a0%" if value > 0.995 else "below 1\u00a0%" if value < 0.005 else percent(value, 0)


def points(gain: Interval) -> str:
    """A difference of two accuracies in points of percent, with its interval."""
    low, high = 100 * gain.low, 100 * gain.high
    found = f"{100 * gain.value:+z.1f} points of accuracy (95\u00a0% interval {low:+z.1f} to {high:+z.1f})"
    return found.replace("-", "−")


def metric(name: str, value: float | None) -> str:
    """A metric in its own form: accuracy in percent, log loss with three decimals, memory in MiB or GiB."""
    if value is None or not isfinite(value):
        return _NONE
    if name in ("accuracy", "macro_f1"):
        return percent(value)
    if name == "peak_memory_mib":
        return f"{value / 1024:.1f} GiB" if value >= 1024 else f"{value:.0f} MiB"
    if name in ("samples_per_second", "tokens_per_second"):
        return number(value)
    return f"{value:.3f}"


def named_metric(name: str, value: float | None) -> str:
    """ "accuracy 94.4 %", "633 samples/s": the value with what it is of."""
    shown, called = metric(name, value), METRIC_NAMES.get(name, name)
    return f"{shown} {called}" if called.endswith("/s") else f"{called} {shown}"


def interval(name: str, bounds: Interval) -> str:
    """ "93.7–97.2 %": the two bounds of an interval; a dash when unknown."""
    if not (isfinite(bounds.low) and isfinite(bounds.high)):
        return _NONE
    if METRICS.get(name) and name in ("accuracy", "macro_f1"):
        return f"{100 * bounds.low:.1f}–{100 * bounds.high:.1f}\u00a0%"
    return f"{metric(name, bounds.low)}–{metric(name, bounds.high)}"


def difference(name: str, bounds: Interval) -> str:
    """ "−0.3 to +2.7 points": the two bounds of a difference of two values of a metric."""
    shares = name in ("accuracy", "macro_f1")
    low, high = (f"{100 * bound:+z.1f}" if shares else f"{bound:+z.3f}" for bound in (bounds.low, bounds.high))
    return f"{low} to {high}{' points' if shares else ''}".replace("-", "−")


def param(value: Any) -> str:
    """A hyperparameter's value: 0.00015 -> "1.5e-4", 0.1 -> "0.1", ("nfkc", "lowercase") -> "nfkc, lowercase"."""
    if isinstance(value, float):
        if value != 0 and isfinite(value) and not 1e-2 <= abs(value) < 1e5:
            digits, power = f"{value:.1e}".split("e")
            return f"{digits.removesuffix('.0')}e{int(power)}"
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def param_name(name: str) -> str:
    """learning_rate -> "learning rate"."""
    return clip(name.replace("_", " "), 40)


def short_name(value: Any) -> str:
    """The last part of a folder or Hub id, by which checkpoints are told apart: "org/model-small" -> "model-small"."""
    return param(value).rstrip("/").rsplit("/", 1)[-1] or param(value)


def duration(seconds: float | None) -> str:
    """75 -> "1 min 15 s"."""
    if seconds is None or not isfinite(seconds):
        return _NONE
    if seconds < 10:
        return f"{seconds:.1f} s"
    total = round(seconds)
    if total < 60:
        return f"{total} s"
    if total < 3600:
        return f"{total // 60} min {total % 60:02d} s"
    return f"{total // 3600} h {total % 3600 // 60:02d} min"


def plural(count: int, word: str) -> str:
    """(2, "trial") -> "2 trials"."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def join(parts: Iterable[str]) -> str:
    """("a", "b", "c") -> "a, b and c"."""
    words = list(parts)
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
