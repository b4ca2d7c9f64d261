"""Formats numbers with units, and escapes foreign text for figures and Markdown.

HTML is not escaped here: the template does it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from math import inf, isfinite
from typing import Any, Protocol

from harness.spec.tasks import find_metric
from harness.stats.intervals import Interval
from harness.stats.metric import Metric
from harness.stats.shown import NONE, number, percent, shown

__all__ = [
    "ComparedModels",
    "amount",
    "capitalised",
    "clip",
    "code_for_markdown",
    "difference",
    "duration",
    "footer",
    "for_figure",
    "for_markdown",
    "gain",
    "interval",
    "interval_text",
    "join",
    "metric",
    "metric_title",
    "named_metric",
    "number",
    "param",
    "param_name",
    "percent",
    "plural",
    "probability_text",
    "score_and_interval",
    "short_name",
    "verdict_word",
]

# Control characters and the marks that turn the direction of the text around them.
_INVISIBLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
# Within a word, as in batch_size, an underscore marks nothing.
_MARKDOWN = re.compile(r"[\\`*\[\]#|~<>@&$]|(?<![a-z0-9])_|_(?![a-z0-9])|(?<=www)\.|:(?=//)", re.IGNORECASE)


def clip(text: object, width: int = 200) -> str:
    """Returns the text on one line, without control characters, at most `width` long."""
    line = " ".join(_INVISIBLE.sub(" ", str(text)).split())
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"


def for_figure(text: object, width: int = 40) -> str:
    """Returns foreign text for a label: plotly reads labels as a kind of HTML, links and styles included."""
    return html.escape(clip(text, width), quote=False)


def for_markdown(text: object, width: int = 200) -> str:
    """Returns foreign text for a Markdown table cell: no markup, no HTML, no mention, no link."""
    return _MARKDOWN.sub(lambda match: f"&#{ord(match[0])};", clip(text, width))


def code_for_markdown(text: str) -> str:
    """Returns a command as a code span, in which nothing is escaped, so that it can be copied as it stands."""
    line = _INVISIBLE.sub(" ", text).replace("\n", " ").replace("\t", " ")
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    return f"{fence} {line} {fence}" if "`" in line else f"{fence}{line}{fence}"


def probability_text(value: float) -> str:
    """A probability in percent, "above 99 %" and "below 1 %" at the ends."""
    return "above 99\u00a0%" if value > 0.995 else "below 1\u00a0%" if value < 0.005 else percent(value, 0)


class ComparedModels(Protocol):
    """A comparison of two models on the same rows."""

    @property
    def tie(self) -> bool: ...

    @property
    def probability(self) -> float: ...


def verdict_word(compared: ComparedModels) -> str:
    """What the first model of a comparison is: "better", "worse" or "cannot be told apart"."""
    if compared.tie:
        return "cannot be told apart"
    return "better" if compared.probability > 0.5 else "worse"


def _definition(name: str) -> Metric:
    """The metric of that name; one that no task has is shown as a plain number."""
    return find_metric(name) or Metric(name=name, title=name, maximize=True, low=-inf, high=inf)


def metric_title(name: str) -> str:
    """The title of a metric: macro_f1 -> "macro F1"."""
    return _definition(name).title


def gain(name: str, bounds: Interval) -> str:
    """A difference of a metric with its interval: "+3.0 points of accuracy (...)", "0.120 less log loss (...)"."""
    title, kind = metric_title(name), "+z.1f" if _definition(name).percent else "+z.3f"
    if _definition(name).percent:
        amount = f"{100 * bounds.value:+z.1f} points of {title}".replace("-", "−")
    else:
        amount = f"{abs(bounds.value):.3f} {'less' if bounds.value < 0 else 'more'} {title}"
    if not (isfinite(bounds.low) and isfinite(bounds.high)):
        return f"{amount} (95\u00a0% interval not known)"
    low, high = (f"{_scaled(name, bound):{kind}}".replace("-", "−") for bound in (bounds.low, bounds.high))
    of_what = "" if _definition(name).percent else " of the difference"
    return f"{amount} (95\u00a0% interval{of_what} {low} to {high})"


def amount(name: str, value: float) -> str:
    """A difference of a metric without a sign: "4.9 points of accuracy", "0.12 nats of log loss", "0.12 of RMSE"."""
    definition = _definition(name)
    if definition.percent:
        return f"{100 * value:.1f} points of {definition.title}"
    unit = f" {definition.unit}" if definition.unit else ""
    return f"{number(value, 2)}{unit} of {definition.title}"


def _scaled(name: str, value: float) -> float:
    return 100 * value if _definition(name).percent else value


def metric(name: str, value: float | None) -> str:
    """A value in the metric's format: accuracy in percent, log loss with three decimals, memory in MiB or GiB."""
    return shown(_definition(name), value)


def named_metric(name: str, value: float | None) -> str:
    """ "accuracy 94.4 %", "633 samples/s": the value with the metric's title."""
    text, title = metric(name, value), metric_title(name)
    return f"{text} {title}" if _definition(name).unit == "1/s" else f"{title} {text}"


def interval(name: str, bounds: Interval) -> str:
    """ "93.7–97.2 %": the two bounds of an interval; a dash when unknown."""
    if not (isfinite(bounds.low) and isfinite(bounds.high)):
        return NONE
    if _definition(name).percent:
        return f"{100 * bounds.low:.1f}–{100 * bounds.high:.1f}\u00a0%"
    return f"{metric(name, bounds.low)}–{metric(name, bounds.high)}"


def interval_text(name: str, bounds: Interval) -> str:
    """ "95 % interval 93.7–97.2 %", or "95 % interval not known"."""
    text = interval(name, bounds)
    return f"95 % interval {'not known' if text == NONE else text}"


def score_and_interval(metric_name: str, bounds: Interval) -> str:
    """ "94.4 % (93.7–97.2 %)": a score with its interval where that is known."""
    text = metric(metric_name, bounds.value)
    return f"{text} ({interval(metric_name, bounds)})" if isfinite(bounds.low) and isfinite(bounds.high) else text


def difference(name: str, bounds: Interval) -> str:
    """ "−0.3 to +2.7 points": the two bounds of a difference of two values of a metric; "not known" without them."""
    if not (isfinite(bounds.low) and isfinite(bounds.high)):
        return "not known"
    percent_ = _definition(name).percent
    low, high = (f"{_scaled(name, bound):{'+z.1f' if percent_ else '+z.3f'}}" for bound in (bounds.low, bounds.high))
    return f"{low} to {high}{' points' if percent_ else ''}".replace("-", "−")


def footer(metrics: Iterable[Metric], resample_by: str | None = None) -> str:
    """The last line of a page: how the intervals of these metrics were made; `resample_by` is the column of units."""
    if resample_by is not None:
        return f"One file, no request to any host. Intervals are of 95 %: bootstrap over '{clip(resample_by, 80)}'."
    shares = join(metric.title for metric in metrics if metric.is_share)
    kinds = f"Wilson for {shares}, bootstrap for others" if shares else "bootstrap"
    return f"One file, no request to any host. Intervals are of 95 %: {kinds}."


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
    """The last part of a folder or Hub id, by which checkpoints are told apart: "org/model-small" -> "model-small".

    Of a commit behind it the first seven digits are kept: "org/model-small@0123456".
    """
    name = param(value).rstrip("/").rsplit("/", 1)[-1] or param(value)
    return re.sub(r"@([0-9a-f]{7})[0-9a-f]{33}\b", r"@\1", name)


def duration(seconds: float | None) -> str:
    """75 -> "1 min 15 s"."""
    if seconds is None or not isfinite(seconds):
        return NONE
    if seconds < 10:
        return f"{seconds:.1f} s"
    total = round(seconds)
    if total < 60:
        return f"{total} s"
    if total < 3600:
        return f"{total // 60} min {total % 60:02d} s"
    return f"{total // 3600} h {total % 3600 // 60:02d} min"


def capitalised(text: str) -> str:
    """The text with a capital first letter; the others stay ("ROC AUC")."""
    return text[:1].upper() + text[1:]


def plural(count: int, word: str) -> str:
    """(2, "trial") -> "2 trials"."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def join(parts: Iterable[str]) -> str:
    """("a", "b", "c") -> "a, b and c"."""
    words = list(parts)
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
