"""The numbers of every caption, computed anew from what its figure draws, over studies of many kinds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.data.answers import Answers
from harness.data.encoded import Ragged
from harness.records.final import Final
from harness.records.results import Results
from harness.records.schema import Progress, Span, TrialRecord, TrialState, best_progress
from harness.report.compare import page as compare_page
from harness.report.kit.figures import Figure
from harness.report.kit.stats import importances
from harness.report.kit.view import View
from harness.report.lenses.labels import Labels
from harness.report.lenses.spans import Spans
from harness.report.study import page as study_page
from harness.report.study.figures import params as figures_params
from tests.conftest import num_examples
from tests.report.captions import CHECKS, kind_of
from tests.report.factory import Shape, make_results

NUM_STUDIES = num_examples(50)
#: Studies that are larger than the figures: of more trials, rows, classes or stretches of work than are drawn.
LARGE = {
    0: {"trials": 310, "labels": tuple(f"class {place}" for place in range(45)), "rows": 900},
    1: {"rows": 2100},
    2: {"trials": 130},
}


def random_shape(number: int, rng: np.random.Generator) -> Shape:
    """A shape of any kind."""
    task = ("text-classification", "text-regression")[number % 2]
    metrics = ["accuracy", "log_loss", "mcc"] if task == "text-classification" else ["rmse", "r2", "mae"]
    costs = ["samples_per_second", "peak_memory_mib"]
    objectives = [str(rng.choice(metrics)), *map(str, rng.choice(costs + metrics, rng.integers(2)))]
    some = int(rng.integers(1, 4))
    fields: dict[str, Any] = {
        "task": task,
        "trials": int(rng.choice([1, 2, 3, 6, 9, 14, 25])),
        "labels": tuple(f"kind <{place}>" for place in range(rng.choice([2, 3, 14, 18]))),
        "objectives": tuple(dict.fromkeys(objectives)),
        "checkpoints": ("org/large & slow", "org/small", "other/a model with a name of many words")[:some],
        "conditional": bool(rng.random() < 0.3),
        "fail_every": int(rng.choice([0, 3, 7])),
        "only_failed": bool(rng.random() < 0.06),
        "prune": bool(rng.random() < 0.7),
        "confirm": int(rng.integers(0, 4)),
        "seeds": int(rng.integers(1, 5)),
        "slots": int(rng.integers(1, 4)),
        "final": bool(rng.random() < 0.75),
        "rows": int(rng.choice([1, 2, 37, 500])),
        "accuracy": float(rng.choice([0.5, 0.865, 1.0])),
        "name": f"study-{number}",
        "seed": number,
    }
    return Shape(**fields | LARGE.get(number, {}))


def altered(record: TrialRecord, rng: np.random.Generator, digits: int, same_rows: bool) -> TrialRecord:
    """The record with other scores: rounded, so that some are equal, and with the best evaluation not always the last.

    The winner was picked before, so that others may have a better score in the search.
    """

    def alter(progress: Progress) -> Progress:
        noise = float(rng.normal(1, 0.01))
        metrics = {name: round(value * noise, digits) for name, value in progress.metrics.items()}
        metrics = {name: nan if rng.random() < 0.02 else value for name, value in metrics.items()}
        rows = 256 if same_rows else progress.num_rows
        return progress.model_copy(update={"metrics": metrics, "num_rows": rows})

    history = tuple(map(alter, record.history))
    best = best_progress(history, record.config)
    found = {"metrics": best.metrics, "best_step": best.step} if best else {"metrics": {}, "best_step": None}
    return record.model_copy(update={"history": history, **found})


def in_pieces(record: TrialRecord, rng: np.random.Generator, many: bool) -> TrialRecord:
    """The record, paused now and then."""
    spans = []
    for span in record.spans:
        marks = np.linspace(span.start, span.end, 31 if many else int(rng.integers(2, 5)))
        spans += [Span(slot=span.slot, start=a, end=a + 0.9 * (b - a)) for a, b in pairwise(marks.tolist())]
    return record.model_copy(update={"spans": tuple(spans)})


def random_results(number: int, folder: Path) -> Results:
    """A study of any kind: running or ended, confirmed or not, with equal, missing and late scores."""
    rng = np.random.default_rng(number)
    results = make_results(folder, random_shape(number, rng))
    digits, same_rows = int(rng.choice([1, 2, 3, 9])), bool(rng.random() < 0.5)
    trials, confirm = (
        [in_pieces(altered(record, rng, digits, same_rows), rng, number == 2) for record in records]
        for records in (results.trials, results.confirm)
    )
    if rng.random() < 0.3:  # the last trials are running
        running = {"state": TrialState.RUNNING, "ended_at": 0.0, "reason": None}
        trials[-2:] = [record.model_copy(update=running) for record in trials[-2:]]
    if rng.random() < 0.3 and number not in LARGE:  # the first checkpoint was never trained
        first = trials[0].config.model.checkpoint
        nothing = {"state": TrialState.FAIL, "history": (), "metrics": {}, "spans": ()}
        trials = [
            record.model_copy(update=nothing) if record.config.model.checkpoint == first else record
            for record in trials
        ]
    final = without_some_scores(results.final, rng) if results.final is not None else None
    return replace(results, trials=tuple(trials), confirm=tuple(confirm), final=final)


def without_some_scores(final: Final, rng: np.random.Generator) -> Final:
    """The decision, with models that have no score."""
    models = [
        model.model_copy(update={"test": {name: replace(bounds, value=nan) for name, bounds in model.test.items()}})
        if rng.random() < 0.1
        else model
        for model in final.models
    ]
    return final.model_copy(update={"models": tuple(models)})


def drawn_figures(folder: Path) -> dict[str, list[tuple[int, Figure]]]:
    """All figures of the pages of random studies, and of comparisons of two, by kind, with the study's number."""
    figures: list[Figure] = []

    def render(template: str, shown: Sequence[Figure], *args: Any, **fields: Any) -> str:
        figures.extend(shown)
        return ""

    kinds: dict[str, list[tuple[int, Figure]]] = {}
    earlier: dict[str, Results] = {}
    with pytest.MonkeyPatch.context() as patch:
        for page in (study_page, compare_page):
            patch.setattr(page, "render", render)
        patch.setattr(figures_params, "importances", lambda *args: importances(*args[:3], num_resamples=3))
        for number in range(NUM_STUDIES):
            results = random_results(number, folder / str(number))
            study_page.write_report(results, folder / "page")
            task = results.spec.task
            if task in earlier:
                compare_page.write_comparison([earlier[task], results], folder / "page")
            earlier[task] = results
            for figure in figures:
                kinds.setdefault(kind_of(figure), []).append((number, figure))
            figures.clear()
    return kinds


def lens_figures(folder: Path) -> list[tuple[int, Figure]]:
    """The figures of the lenses for several labels a row and for a tag a word, of random answers."""
    view = View(make_results(folder, trials=3))
    drawn: list[tuple[int, Figure]] = []
    for number in range(NUM_STUDIES):
        rng = np.random.default_rng(number)
        num_rows, num_labels = int(rng.choice([1, 7, 300])), int(rng.choice([2, 5, 40]))
        true = rng.random((num_rows, num_labels)) < 0.3
        given = rng.random((num_rows, num_labels)) < np.where(true, 0.7, 0.1)
        outputs = {"probabilities": rng.random(true.shape), "decisions": given}
        drawn += [
            (number, figure) for figure in Labels().look(view, Answers(outputs, {"label_sets": true}), ()).figures
        ]
        offsets = np.concatenate([[0], np.cumsum(rng.integers(1, 20, num_rows))])
        tags = rng.choice(5, size=int(offsets[-1]), p=[0.6, 0.1, 0.1, 0.1, 0.1])
        probabilities = rng.random((len(tags), 5)) + np.eye(5)[np.where(rng.random(len(tags)) < 0.7, tags, 0)]
        of_words = Answers(
            {"probabilities": Ragged(values=probabilities, offsets=offsets)},
            {"tags": Ragged(values=tags, offsets=offsets)},
        )
        drawn += [(number, figure) for figure in Spans().look(view, of_words, ()).figures]
    return drawn


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[int, Figure]]]:
    kinds = drawn_figures(tmp_path_factory.mktemp("studies"))
    for number, figure in lens_figures(tmp_path_factory.mktemp("lenses")):
        kinds.setdefault(kind_of(figure), []).append((number, figure))
    return kinds


def test_every_kind_of_figure_has_a_check_of_its_caption(figures: dict[str, list[tuple[int, Figure]]]) -> None:
    assert set(figures) == set(CHECKS)


def changed(figure: Figure) -> list[Figure]:
    """The figure with the last digit of one number of its caption changed, for each number."""
    digits = re.finditer(r"(?<![\w.,-])[−+]?[\d.]*(\d)(?!,?\d)", figure.alt)
    captions = [
        f"{figure.alt[: found.start(1)]}{(int(found[1]) + 3) % 10}{figure.alt[found.end(1) :]}" for found in digits
    ]
    return [replace(figure, alt=caption) for caption in captions]


@pytest.mark.parametrize("kind", CHECKS)
def test_check_of_a_caption_fails_where_a_number_is_another(
    kind: str, figures: dict[str, list[tuple[int, Figure]]]
) -> None:
    for _, figure in [pair for pair in figures[kind] if "Shown are" not in pair[1].note][:5]:
        for wrong in changed(figure):
            with pytest.raises((AssertionError, ValueError, KeyError)):
                CHECKS[kind](wrong)


@pytest.mark.parametrize("kind", CHECKS)
def test_caption_states_what_the_figure_draws(kind: str, figures: dict[str, list[tuple[int, Figure]]]) -> None:
    for number, figure in figures[kind]:
        try:
            CHECKS[kind](figure)
        except AssertionError as error:
            raise AssertionError(f"study {number}, figure {figure.key}: {figure.alt}\n{error}") from error
