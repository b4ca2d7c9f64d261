"""Every name that a study may give has an implementation, and a name that has none is refused wherever it is looked up.

The names are read from the schema: a name that is added there alone fails here.
"""

from __future__ import annotations

import typing
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from pydantic import BaseModel
from transformers import BertConfig, BertForSequenceClassification

from harness.benchmark import memory
from harness.benchmark.cell import MODES
from harness.data.augment import augment
from harness.data.clean import clean
from harness.data.formats import Form, read_files
from harness.data.read import read_table
from harness.data.usual_columns import column_names
from harness.engines.open import open_engine
from harness.errors import InputError, MissingPackage, look_up, unknown_name
from harness.loggers.open import open_loggers
from harness.machine.slots import Slot
from harness.records.bench import Mode
from harness.records.rundir import RunFolder
from harness.records.schema import Place
from harness.report.lenses.registry import LENSES, lens_of
from harness.search.propose import Proposer
from harness.search.pruners.base import Unpruned
from harness.search.pruners.registry import make_policy
from harness.search.samplers import make_sampler
from harness.spec.configure import rung_fractions
from harness.spec.study import StudySpec
from harness.spec.tasks import LENSES as NAMES_OF_LENSES
from harness.spec.tasks import TASKS, TaskFacts, facts_of, metric_named
from harness.spec.trial import TrialModel, TrialTraining
from harness.stats.completions import utf8
from harness.stats.metric import Metric, score
from harness.stats.ragged import Ragged
from harness.tasks import task_of
from harness.tasks.losses import CLASS_WEIGHTS
from harness.training.optimiser import schedule_factor, torch_optimiser
from harness.training.precision import CANDIDATES
from harness.training.trainable.adapters import add_adapter, is_of_adapter
from harness.training.trainable.freeze import freeze_parameters
from harness.training.weights import DTYPES, FlatWeights, dtype_of

CPU = torch.device("cpu")
SMALL_BERT = {
    "hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 8, "num_hidden_layers": 1, "vocab_size": 10
}  # fmt: skip


def study(section: str = "", **fields: Any) -> StudySpec:
    """A study with values in `section` that no schema has checked."""
    base = {"name": "x", "data": {"path": "a.csv"}, "model": {"checkpoint": "tiny"}}
    spec = StudySpec.model_validate(base | {"training": {"learning_rate": [1e-5, 5e-5, 1e-4]}})
    part = getattr(spec, section).model_copy(update=fields) if section else None
    return spec.model_copy(update={section: part} if section else fields)


def pruned_by(name: str) -> StudySpec:
    return study("search", pruner=study().search.pruner.model_copy(update={"name": name}))


def walk_task(name: str, folder: Path) -> None:
    assert task_of(name).facts is facts_of(name)
    columns = column_names(study().data, facts_of(name))
    assert {"label", "answers", "boxes", "target"} & set(columns.values()) or columns == facts_of(name).layouts[0]
    assert TASKS[name].inputs
    with pytest.raises(InputError, match=f"did you mean '{name}'"):
        task_of(f"{name}x")


def walk_builtin(name: str, folder: Path) -> None:
    data = study().data.model_copy(update={"path": None, "builtin": name})
    assert len(read_table(data, "image-classification").train) > 1000


class SmallModel(torch.nn.Module):
    """What freezing looks at: a backbone with embeddings, and a head."""

    config = SimpleNamespace(model_type="small")

    def __init__(self) -> None:
        super().__init__()
        self.base_model = torch.nn.ModuleDict({"embeddings": torch.nn.Linear(2, 2), "layer": torch.nn.Linear(2, 2)})
        self.head = torch.nn.Linear(2, 2)


def walk_freeze(name: str, folder: Path) -> None:
    model = SmallModel()
    freeze_parameters(cast(Any, model), cast(Any, name))
    frozen = {part.partition(".weight")[0] for part, value in model.named_parameters() if not value.requires_grad}
    embeddings, layer = "base_model.embeddings", "base_model.layer"
    expected = {"none": set(), "embeddings": {embeddings}, "backbone": {embeddings, layer}}[name]
    assert {part for part in frozen if not part.endswith(".bias")} == expected


def walk_adapter(name: str, folder: Path) -> None:
    model = BertForSequenceClassification(BertConfig(**SMALL_BERT))
    add_adapter(model, TrialModel(checkpoint="x").model_copy(update={"adapter": name}), ())
    trained = {part for part, value in model.named_parameters() if value.requires_grad}
    assert any(map(is_of_adapter, trained)) == (name == "lora")
    assert ("bert.embeddings.word_embeddings.weight" in trained) == (name == "none")


def walk_precision(name: str, folder: Path) -> None:
    for precision in {name} if name != "auto" else {one for each in CANDIDATES.values() for one in each}:
        assert dtype_of(precision) is DTYPES[precision]
        assert memory.BYTES[precision] == torch.zeros(1, dtype=DTYPES[precision]).element_size()


def walk_optimizer(name: str, folder: Path) -> None:
    recipe = cast(TrialTraining, SimpleNamespace(optimizer=name, learning_rate=0.1, weight_decay=0.1))
    found = torch_optimiser(FlatWeights(torch.nn.Linear(2, 2), torch.float32), recipe)
    assert type(found).__name__.lower().endswith(name)


def walk_schedule(name: str, folder: Path) -> None:
    recipe = cast(TrialTraining, SimpleNamespace(schedule=name, warmup_fraction=0.5))
    assert 0 < schedule_factor(6, 10, recipe) <= schedule_factor(5, 10, recipe) == 1
    assert schedule_factor(0, 10, recipe) < 1


def walk_class_weights(name: str, folder: Path) -> None:
    weights = look_up(CLASS_WEIGHTS, name, "training.class_weights")(np.array([0, 1, 1, 1]), 3)
    found = None if weights is None else weights.tolist()
    assert found == {"none": None, "balanced": [2, pytest.approx(2 / 3), 2]}[name]


def walk_sampler(name: str, folder: Path) -> None:
    """The first proposal is the default recipe, the second is drawn; what learns comes after a start-up."""
    proposer = Proposer(study("search", sampler=name))
    assert all(proposer.ask(number, 0) is not None for number in range(2))
    if name == "grid":
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # experimental ones
        sampler = make_sampler(name, seed=1, study_seed=2, num_trials=16, num_ended=16, early=False, conditional=False)
    assert type(sampler).__name__.lower().replace("ii", "2") == f"{name}sampler"


def walk_pruner(name: str, folder: Path) -> None:
    spec = pruned_by(name)
    unpruned = isinstance(make_policy(spec), Unpruned)
    assert unpruned == (name == "none" or name.startswith("ray-"))
    assert bool(rung_fractions(spec)) == (name != "none")


def walk_ray_pruner(name: str, folder: Path) -> None:
    from harness.engines.ray.schedulers import make_scheduler

    assert (make_scheduler(pruned_by(name)) is not None) == name.startswith("ray-")


def walk_engine(name: str, folder: Path) -> None:
    """None of them starts anything before it runs a trial."""
    slot = Slot(Place(node="", device="cpu", slot=0, threads=1), memory_bytes=0)
    with open_engine(study("engine", name=name), RunFolder(folder), [slot]) as engine:
        assert cast(Any, engine).name == name


def walk_logger(name: str, folder: Path) -> None:
    """One that is known gets as far as to its package."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(MissingPackage, match=name):
        patch.setattr("importlib.util.find_spec", lambda package: None)
        open_loggers([name], RunFolder(folder), lambda line: None)


def walk_form(folder: Path, **form: Any) -> None:
    path = folder / "t.csv"
    path.write_text('"a b",1\n"c d",0\n', encoding="utf-8")
    assert read_files([path], ["1", "2"], Form(**form)).columns["2"] == ["1", "0"]


WALKS: Mapping[str, Callable[[str, Path], None]] = {
    "task": walk_task,
    "data.builtin": walk_builtin,
    "data.quoting": lambda name, folder: walk_form(folder, quoting=cast(Any, name)),
    "data.header": lambda name, folder: walk_form(folder, header=cast(Any, name)),
    "data.preprocess": lambda name, folder: assert_text(clean(["A b"], [cast(Any, name)])),
    "data.augment": lambda name, folder: assert_text(augment(["A b"], [cast(Any, name)], seed=0)),
    "model.freeze": walk_freeze,
    "model.adapter": walk_adapter,
    "training.optimizer": walk_optimizer,
    "training.schedule": walk_schedule,
    "training.precision": walk_precision,
    "training.class_weights": walk_class_weights,
    "search.sampler": walk_sampler,
    "search.pruner.name": walk_pruner,
    "engine.name": walk_engine,
    "loggers": walk_logger,
}
#: Where a number may stand as well, `auto` is a condition in one place and no implementation.
NUMBERS = {
    *("confirm.seeds", "training.evaluations_per_epoch", "engine.slots_per_device", "engine.threads_per_slot"),
    "model.targets",
}


def assert_text(found: list[str]) -> None:
    assert all(isinstance(text, str) and text for text in found)


def literals(annotation: Any) -> Iterator[str]:
    """Every word that stands in a `Literal` somewhere in `annotation`."""
    if typing.get_origin(annotation) is typing.Literal:
        yield from (word for word in typing.get_args(annotation) if isinstance(word, str))
    else:
        for part in typing.get_args(annotation):
            yield from literals(part)


def names_by_key(model: type[BaseModel], section: str = "") -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for key, field in model.model_fields.items():
        parts = [field.annotation, *typing.get_args(field.annotation)]
        models = [part for part in parts if isinstance(part, type) and issubclass(part, BaseModel)]
        for part in models:
            if not part.__pydantic_generic_metadata__["origin"]:
                found |= names_by_key(part, f"{section}{key}.")
        if words := tuple(dict.fromkeys(literals(field.annotation))):
            found[f"{section}{key}"] = words
    return found


NAMES = names_by_key(StudySpec) | {"task": tuple(TASKS)}


def test_every_key_with_names_is_walked() -> None:
    assert set(NAMES) - NUMBERS == set(WALKS)
    assert {word for key in NUMBERS for word in NAMES[key]} == {"auto"}


@pytest.mark.parametrize(("key", "name"), [(key, name) for key in WALKS for name in NAMES[key]])
def test_name_of_the_schema_has_an_implementation(key: str, name: str, tmp_path: Path) -> None:
    WALKS[key](name, tmp_path)


# A name of a task may be a user's own: tests/spec/test_tasks.py has its words.
@pytest.mark.parametrize("key", [key for key in WALKS if key != "task"])
def test_name_without_an_implementation_is_refused(key: str, tmp_path: Path) -> None:
    name = NAMES[key][-1]
    with pytest.raises(InputError) as caught:
        WALKS[key](f"{name}x", tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{key}: '{name}x' is unknown; allowed: ")
    assert name in message.partition("allowed: ")[2].split(";")[0]
    assert message.endswith(f"; did you mean '{name}'?")


def test_pruner_of_ray_has_a_scheduler(tmp_path: Path) -> None:
    for name in NAMES["search.pruner.name"]:
        walk_ray_pruner(name, tmp_path)
    with pytest.raises(InputError, match=r"'ray-pb' is unknown; .* did you mean 'ray-pbt'"):
        walk_ray_pruner("ray-pb", tmp_path)


def test_bench_modes_are_those_of_the_file() -> None:
    assert set(MODES) == set(typing.get_args(Mode))


@pytest.mark.parametrize(
    "metric",
    [pytest.param(metric, id=f"{name}-{metric.name}") for name, facts in TASKS.items() for metric in facts.metrics],
)
def test_metric_has_a_formula_and_no_name_falls_through(metric: Metric) -> None:
    if metric in TASKS["token-classification"].metrics:
        offsets = np.array([0, 1, 3])
        words = {"probabilities": Ragged(values=np.eye(3) * 0.9 + 0.03, offsets=offsets)}
        assert np.isfinite(score(metric, words, {"tags": Ragged(values=np.array([0, 1, 1]), offsets=offsets)}))
        return
    if metric in TASKS["question-answering"].metrics:
        context = Ragged(values=np.frombuffer(b"a b", dtype=np.uint8), offsets=np.array([0, 3]))
        spans = {"spans": Ragged(values=np.array([[2, 3]]), offsets=np.array([0, 1])), "contexts": context}
        tokens = np.array([0, 3])
        said = {
            "spans": np.array([[2, 3]]),
            "places": Ragged(values=np.array([[-1, -1], [0, 1], [2, 3]]), offsets=tokens),
            "log_probabilities": Ragged(values=np.log(np.full((3, 2), 1 / 3)), offsets=tokens),
        }
        assert np.isfinite(score(metric, said, spans))
        return
    if metric in TASKS["object-detection"].metrics:
        one = np.array([0, 1])
        true = {
            "boxes": Ragged(values=np.array([[0.0, 0, 9, 9]]), offsets=one),
            "classes": Ragged(values=np.array([1]), offsets=one),
        }
        assert np.isfinite(score(metric, {**true, "scores": Ragged(values=np.array([0.5]), offsets=one)}, true))
        return
    outputs = {
        "probabilities": np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]),
        "decisions": np.array([[True, False], [False, True], [True, True]]),
        "predictions": np.array([1.0, 3.0, 4.0]),
        **{name: np.array([2, 1, 3]) for name in ("nll", "hits", "tokens", "bytes", "whole_bytes")},
        "texts": utf8(["a b", "", "c"]),
        "is_written": np.array([1, 0, 1]),
        "users": np.array([0, 0, 1]),
        "ranks": np.array([0, 2, 12]),
    }
    targets = {
        "labels": np.array([0, 1, 1]),
        "label_sets": np.array([[1, 0], [1, 1], [0, 1]]),
        "numbers": np.array([2.0, 3.0, 5.0]),
        "completions": utf8(["a", "b", "c"]),
    }
    assert np.isfinite(score(metric, outputs, targets))
    with pytest.raises(InputError, match=f"did you mean '{metric.name}'"):
        metric_named(f"{metric.name}x")


@pytest.mark.parametrize("facts", TASKS.values(), ids=list(TASKS))
def test_lens_of_a_task_is_there_or_refused(facts: TaskFacts) -> None:
    assert tuple(LENSES) == NAMES_OF_LENSES
    lens = lens_of(facts)
    assert (lens is None) == (facts.lens is None)
    with pytest.raises(
        InputError, match=rf"lens of task {facts.name}: 'klasses' is unknown; .* did you mean 'classes'"
    ):
        lens_of(cast(Any, SimpleNamespace(name=facts.name, lens="klasses")))


def test_unknown_name_without_a_near_one() -> None:
    assert str(unknown_name("engine.name", "zzz", ("local", "ray"))) == (
        "engine.name: 'zzz' is unknown; allowed: local, ray"
    )
