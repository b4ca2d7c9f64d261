"""How often a study says that its best value lies beyond the range searched: rightly, and wrongly.

Usage: python benchmarks/edge_alarms.py [--studies 100] [--seed 1000] [--losses 3,6,12,25] [--forms parabola,...]

Each study is searched by the product's own search: sampler, pruner and rungs are real, and the trainings simulated. A
trial's accuracy falls from 87 % on both sides of the best learning rate by the given points a decade away, to chance
at the lowest; it is counted on 200 validation rows, drawn anew for each evaluation, after a seed's own error of half a
point. Early in a training the best learning rate is higher, by 0.1 to 0.35 decades for each halving of the steps, as
in `benchmarks/tables/`. The learning rate is searched from 1e-5 to 5e-4, 16 trials a study, and in `four params` batch
size (of some effect, and it moves the best learning rate), warm-up and weight decay (of none) too.

The best learning rate lies anywhere in the middle 60 % of the range (false alarms: a line on any param), or half a
decade outside, on either side in turn (found: the line on the learning rate's end).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from math import log2, log10
from pathlib import Path
from typing import Any

import numpy as np

from harness.records.curves import Curve
from harness.records.manifest import Manifest
from harness.records.results import Results
from harness.records.rundir import RunFolder
from harness.records.schema import Progress, record_of
from harness.report.kit.view import View
from harness.report.study.edges import Edge, edges
from harness.search.propose import Proposal, Proposer
from harness.search.replay import MemoryStore, ReplaySlots
from harness.search.search import Search
from harness.spec.steps import total_steps
from harness.spec.study import StudySpec

NUM_ROWS, NUM_TRAIN_ROWS, EPOCHS = 200, 1600, 2
LOWEST, HIGHEST = 1e-5, 5e-4
DECADES = log10(HIGHEST / LOWEST)
OUTSIDE = 0.5
BEST, CHANCE = 0.87, 1 / 6
SHARES = tuple(k / 16 for k in range(1, 17))

Form = Callable[[float, float], float]
"""What a distance in decades costs, by the loss at one decade."""

FORMS: dict[str, Form] = {
    "parabola": lambda distance, loss: loss * distance**2,
    "bell": lambda distance, loss: (BEST - CHANCE) * (1 - np.exp(-loss / (BEST - CHANCE) * distance**2)),
    "cliff": lambda distance, loss: loss * distance**2 * (3.0 if distance > 0 else 0.7),
    "slopes": lambda distance, loss: loss * (np.hypot(1.0, 2 * distance) - 1) / (np.hypot(1.0, 2.0) - 1),
}


@dataclass(frozen=True, kw_only=True)
class World:
    """The true scores of one study: where the best learning rate is, and what others lose."""

    best_rate: float
    loss: float
    form: Form
    drift: float
    rng: np.random.Generator

    def curve(self, number: int, params: dict[str, Any]) -> Curve:
        """Trains a trial: an evaluation at every sixteenth, with the rows that it has right."""
        batch_size = params.get("batch_size", 32)
        total = total_steps(NUM_TRAIN_ROWS, batch_size, EPOCHS)
        luck = self.rng.normal() * 0.005
        history, rows = [], {}
        for share in SHARES:
            step = max(1, round(total * share))
            best = log10(self.best_rate) + self.drift * log2(1 / share) + 0.5 * log10(batch_size / 32)
            lost = self.form(log10(params["learning_rate"]) - best, self.loss) + 0.01 * abs(log2(batch_size / 16))
            level = CHANCE + (BEST - CHANCE) * share**0.5
            chance = np.clip(max(CHANCE, level - lost) + luck, 0.01, 0.99)
            hits = self.rng.random(NUM_ROWS) < chance
            rows[step] = {"accuracy": hits.astype(float)}
            history.append(
                Progress(
                    number=number, step=step, total_steps=total, epoch=EPOCHS * share, num_rows=NUM_ROWS,
                    metrics={"accuracy": float(hits.mean()), "log_loss": 2 * (1 - float(hits.mean()))}, train_loss=1.0,
                )
            )  # fmt: skip
        return Curve(number=number, params=params, history=tuple(history), rows=rows)


class Simulated(Proposer):
    """A `Proposer` whose trials are trained in a `World`."""

    def __init__(self, spec: StudySpec, world: World) -> None:
        super().__init__(spec, (), NUM_TRAIN_ROWS)
        self._world = world
        self.curve_of: dict[int, Curve] = {}

    def ask(self, number: int, arm: int) -> Proposal | None:
        """Returns the sampler's draw, whose training is simulated."""
        proposal = super().ask(number, arm)
        if proposal is not None:
            self.curve_of[number] = self._world.curve(number, proposal.params)
        return proposal


def study(world: World, pruner: str, several: bool, seed: int) -> list[Edge]:
    """Runs one study, and returns what it says of the ends of its ranges."""
    spec = spec_of(pruner, several, seed)
    proposer = Simulated(spec, world)
    chance = {"accuracy": CHANCE, "log_loss": 1.8}
    search = Search(
        spec, MemoryStore(), RunFolder(Path("simulated")), num_train_rows=NUM_TRAIN_ROWS, chance=chance,
        clock=lambda: 0.0, proposer=proposer,
    )  # fmt: skip
    slots = ReplaySlots(search, proposer, 1, np.random.default_rng(seed))  # type: ignore[arg-type]
    slots.run()
    trials = tuple(record_of(trial.config, trial.state, trial.history) for trial in slots.trials.values())
    manifest = Manifest(spec=spec)
    return edges(
        View(Results(folder=Path("simulated"), spec=spec, trials=trials, confirm=(), baselines=(), final=None,
                     manifest=manifest))
    )  # fmt: skip


def spec_of(pruner: str, several: bool, seed: int) -> StudySpec:
    """The study: the learning rate alone, or the four params of the quickstart."""
    training: dict[str, Any] = {"epochs": EPOCHS, "learning_rate": {"low": LOWEST, "high": HIGHEST, "log": True}}
    if several:
        training |= {
            "batch_size": [8, 16, 32],
            "warmup_fraction": {"low": 0.0, "high": 0.2},
            "weight_decay": {"low": 0.0, "high": 0.1},
        }
    return StudySpec.model_validate(
        {
            "name": "simulated", "data": {"path": "simulated.csv"}, "model": {"checkpoint": "simulated"},
            "training": training, "search": {"trials": 16, "seed": seed, "pruner": {"name": pruner}},
        }
    )  # fmt: skip


def counts(form: str, loss: float, pruner: str, several: bool, num: int, seed: int) -> tuple[int, int]:
    """Returns the false alarms, and the optima found outside, of `num` studies each."""
    false = found = 0
    for index in range(num):
        rng = np.random.default_rng([seed, index])
        common: dict[str, Any] = {"loss": loss, "form": FORMS[form], "drift": rng.uniform(0.1, 0.35), "rng": rng}
        inside = LOWEST * 10 ** (DECADES * rng.uniform(0.2, 0.8))
        false += bool(study(World(best_rate=inside, **common), pruner, several, seed + index))
        is_upper = index % 2 == 0
        outside = HIGHEST * 10**OUTSIDE if is_upper else LOWEST / 10**OUTSIDE
        said = study(World(best_rate=outside, **common), pruner, several, seed + index)
        found += any(edge.param.name == "learning_rate" and edge.is_upper is is_upper for edge in said)
    return false, found


def main() -> None:
    """Prints a row for each form, loss, pruner and number of params."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--losses", default="3,6,12,25")
    parser.add_argument("--forms", default="parabola")
    parser.add_argument("--pruners", default="none,rungs")
    parser.add_argument("--params", default="one,four")
    options = parser.parse_args()
    print(f"| form | points a decade off | pruner | params | false alarms of {options.studies} | found |")
    print("|---|---:|---|---|---:|---:|")
    for form in options.forms.split(","):
        for pruner in options.pruners.split(","):
            for params in options.params.split(","):
                for loss in map(float, options.losses.split(",")):
                    false, found = counts(form, loss / 100, pruner, params == "four", options.studies, options.seed)
                    print(f"| {form} | {loss:g} | {pruner} | {params} | {false} | {found} |", flush=True)


if __name__ == "__main__":
    main()
