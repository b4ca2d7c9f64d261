"""Every kind of mistake in a study, in the words that a user reads: key, value, what is allowed, nearest name."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import SpecError
from harness.spec.mistakes import related, show
from harness.spec.reader import load_study

GOOD = """\
name: good
data: {path: a.csv}
model: {checkpoint: tiny}
training: {learning_rate: {low: 1e-5, high: 1e-4}}
"""


def complaints(folder: Path, text: str, *overrides: str) -> dict[str, str]:
    """The message for each key; the one-line form is checked on the way."""
    file = folder / "study.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        load_study(file, overrides)
    assert len(str(caught.value).splitlines()) == len(caught.value.problems)
    return {problem.key: problem.message for problem in caught.value.problems}


ONE_MISTAKE = [
    ("training.epochs=-1", "training.epochs", "must be above 0, not -1"),
    ("training.epochs=20000", "training.epochs", "must be at most 10000, not 20000"),
    ("training.warmup_fraction=1.5", "training.warmup_fraction", "must be at most 1, not 1.5"),
    ("training.seed=2147483648", "training.seed", "must be below 2147483648, not 2147483648"),
    ("search.trials=0", "search.trials", "must be at least 1, not 0"),
    ("search.trials=1.5", "search.trials", "must be a whole number, not 1.5"),
    ("search.trials=many", "search.trials", "must be a whole number, not 'many'"),
    ("search.trials=true", "search.trials", "must be a whole number, not true"),
    ("search.trials=null", "search.trials", "must be a whole number, not null"),
    ("training.learning_rate=fast", "training.learning_rate", "must be a number, not 'fast'"),
    ("training.learning_rate=0", "training.learning_rate", "must be above 0, not 0"),
    ("data.split.stratify=yes", "data.split.stratify", "must be true or false, not 'yes'"),
    ("name=1", "name", "must be text, not 1; put it in quotes"),
    ("name=a b", "name", "must be 1 to 64 letters, digits, '.', '_' or '-', not 'a b'"),
    ("name=" + "x" * 80, "name", "must be 1 to 64 letters, digits, '.', '_' or '-', not '" + "x" * 58 + "…"),
    ("data.text=''", "data.text", "must be at least one character, not ''"),
    (
        "task=text-clasification",
        "task",
        "must be one of text-classification, multi-label-classification, text-regression, token-classification, "
        "question-answering, image-classification, object-detection, causal-lm, seq2seq, click-through, or your own as "
        "my_package.my_module:MyTask, not "
        "'text-clasification'; "
        "did you mean 'text-classification'?",
    ),
    ("training.schedule=liner", "training.schedule", "did you mean 'linear'?"),
    ("training.schedule=[linear, cosin]", "training.schedule[1]", "did you mean 'cosine'?"),
    ("training.schedule={choices: [cosin]}", "training.schedule.choices[0]", "did you mean 'cosine'?"),
    ("training.batch_size=[8, -8]", "training.batch_size[1]", "must be at least 1, not -8"),
    ("training.batch_size=[]", "training.batch_size", "must be a list of at least one value, not []"),
    ("training.batch_size={choices: []}", "training.batch_size.choices", "a list of at least one value, not []"),
    ("training.batch_size=[8, 16, 8]", "training.batch_size", "8 is listed twice"),
    ("training.batch_size={}", "training.batch_size", "must be a value, {low: ..., high: ...} or {choices: [...]}"),
    ("training.batch_size={choice: [8]}", "training.batch_size", "did you mean 'choices'?"),
    ("training.batch_size={low: 8}", "training.batch_size.high", "is missing"),
    ("training.batch_size={low: 8, high: 4}", "training.batch_size", "low 8 must be below high 4"),
    ("training.batch_size={low: 8, high: 9, stp: 1}", "training.batch_size.stp", "low, high, log, step, when; did you"),
    ("training.dropout={low: 0, high: 0.5, log: true}", "training.dropout", "unknown key"),
    ("model.dropout={low: 0, high: 0.5, log: true}", "model.dropout", "low 0.0 must be above 0 with log: true"),
    ("model.dropout={low: 0, high: 0.5, step: 0}", "model.dropout", "step must be above 0"),
    ("model.dropout={low: .1, high: 1, step: .1, log: true}", "model.dropout", "step and log exclude each other"),
    ("model.layers={low: null, high: 3}", "model.layers", "a range needs numbers; give {choices: [...]} instead"),
    ("model.freeze=all", "model.freeze", "must be one of none, embeddings, backbone or a whole number, not 'all'"),
    ("model.freeze=[none, 0]", "model.freeze[1]", "none, embeddings, backbone or at least 1, not 0"),
    ("model.checkpoint=5", "model.checkpoint", "must be text or a list or a section of keys, not 5; put it in quotes"),
    ("model.checkpoint=[a, 5]", "model.checkpoint[1]", "must be text, not 5; put it in quotes"),
    ("model.checkpoint=[]", "model.checkpoint", "must be text or a list of at least one value"),
    ("model.checkpoint={choices: [a, 5]}", "model.checkpoint.choices[1]", "must be text, not 5"),
    ("model.checkpoint=[a, a]", "model", "a checkpoint is listed twice"),
    (
        "model.checkpoint=a#layer=3",
        "model.checkpoint",
        "must be a name or folder, with '#layers=<number>' or no '#' behind it, not",
    ),
    ("model.checkpoint=a#layers=0", "model.checkpoint", "'#layers=<number>'"),
    ("model={checkpoint: 'a#layers=3', layers: 2}", "model", "give either layers or '#layers=' behind a checkpoint"),
    ("model.checkpoint=scratch", "model", "checkpoint: scratch needs architecture: {model_type: ...}"),
    ("model.architecture={model_type: bert}", "model", "architecture goes with checkpoint: scratch"),
    ("data.preprocess=lowercase", "data.preprocess", "must be a list, not 'lowercase'"),
    ("data.preprocess=[lower]", "data.preprocess[0]", "did you mean 'lowercase'?"),
    ("data.preprocess={low: 1, high: 2}", "data.preprocess", "must be a list or {choices: [[...], ...]}, not {'low'"),
    ("data.preprocess={choices: [lowercase]}", "data.preprocess.choices[0]", "must be a list, not 'lowercase'"),
    ("data.lable=x", "data.lable", "did you mean 'label'?"),
    ("data.batch_size=8", "data.batch_size", "did you mean 'training.batch_size'?"),
    ("batch_size=8", "batch_size", "did you mean 'training.batch_size'?"),
    ("seed=8", "seed", "did you mean 'data.split.seed' or 'training.seed' or 'search.seed'?"),
    ("trainig.batch_size=8", "trainig", "did you mean 'training'?"),
    ("data.split.train=0.5", "data.split", "train + validation + test must be 1, not 0.7"),
    ("data.hub={id: x}", "data.hub.revision", "is missing"),
    ("data.hub={id: x, revision: main}", "data.hub.revision", "a commit of 40 hex digits"),
    ("data.path=null", "data", "give exactly one of path, hub, builtin (given: none)"),
    ("search.pruner=asha", "search.pruner", "must be a section of keys, not 'asha'; write {name: asha}"),
    ("engine=ray", "engine", "must be a section of keys, not 'ray'; write {name: ray}"),
    ("budget=null", "budget", "must be a section of keys, not null"),
    *(
        (f"engine.resources_per_trial={asked}", "engine.resources_per_trial", wrong)
        for asked, wrong in (
            ("{cpu: -1}", "cpu: -1: amounts are 0 or at least 0.0001"),
            ("{cpu: 0.00001}", "cpu: 1e-05: amounts are 0 or at least 0.0001"),
            ("{cpu: 1, GPU: 1.5}", "GPU: 1.5: above one GPU Ray gives whole ones only"),
            ("{object_store_memory: 1}", "Ray cannot reserve object_store_memory; leave it out"),
            ("{cpu: 1, Gpu: 1, gpu: 2}", "Gpu and gpu are the same resource; give it once"),
            ("{cpu: 0}", "nothing is asked for; give at least one amount above 0, for example {cpu: 1}"),
            ("{}", "nothing is asked for; give at least one amount above 0, for example {cpu: 1}"),
        )
    ),
    ("search.objectives=[]", "search.objectives", "must be a list of at least one value, not []"),
    ("search.objectives=[acuracy]", "search.objectives[0]", "not 'acuracy'; did you mean 'accuracy'?"),
    ("search.objectives=[mcc, mcc]", "search", "an objective is listed twice"),
    ("engine.resources_per_trial={cpu: one}", "engine.resources_per_trial.cpu", "must be a number, not 'one'"),
    ("engine.slots_per_device=0", "engine.slots_per_device", "must be 'auto' or at least 1, not 0"),
]


@pytest.mark.parametrize(("override", "key", "words"), ONE_MISTAKE, ids=[case[0][:50] for case in ONE_MISTAKE])
def test_mistake_is_told_once(tmp_path: Path, override: str, key: str, words: str) -> None:
    found = complaints(tmp_path, GOOD, override)
    assert list(found) == [key]
    assert words in found[key]


def test_good_study_has_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(GOOD, encoding="utf-8")
    assert load_study(tmp_path / "study.yaml").name == "good"


def test_section_without_required_keys_names_each(tmp_path: Path) -> None:
    assert complaints(tmp_path, "task: text-classification") == {
        "name": "is missing",
        "data": "is missing",
        "model": "is missing",
    }


def test_search_space_that_is_empty_is_told(tmp_path: Path) -> None:
    found = complaints(tmp_path, GOOD, "training.learning_rate=1e-4")
    assert found == {
        "search.trials": "16 trials, but nothing is searched: give a key {low, high} or a list, or trials: 1"
    }


def test_mistakes_that_hide_each_other_are_all_told(tmp_path: Path) -> None:
    """A wrong literal hides the sum of the split, and both hide the rules between sections."""
    text = """\
name: good
data: {path: a.csv, hub: {id: x}, lable: y}
model: {checkpoint: [a, b, c], layers: no}
search: {trials: 2, sampler: cmaes, objectives: [accuracy, mcc], seed: x}
training: {learning_rate: {low: 2, high: 1}, batch_size: {choices: [8], when: {shedule: linear}}}
"""
    assert set(complaints(tmp_path, text)) == {
        "data.hub.revision",
        "data.lable",
        "model.layers",
        "search.seed",
        "search.trials",
        "search.sampler",
        "training.learning_rate",
        "training.batch_size.when.shedule",
    }


def test_rule_is_silent_where_its_other_half_is_wrong(tmp_path: Path) -> None:
    found = complaints(tmp_path, GOOD, "search.pruner.name=ray-asha", "engine.name=rayy")
    assert list(found) == ["engine.name"]


def test_hostile_keys_and_values_stay_on_their_line(tmp_path: Path) -> None:
    found = complaints(tmp_path, GOOD + '"a\\nb\\e[2J": 1\ntask: "x\\n\\e[2J\\u202e"\n')
    assert all((key + message).isprintable() for key, message in found.items())
    assert len(found) == 2


def test_show_is_short_and_printable() -> None:
    assert show(None) == "null"
    assert show(True) == "true"
    assert show(1) == "1"
    assert show("a\n") == r"'a\n'"
    assert len(show("x" * 100)) == 60


def test_related_paths_lead_through_each_other() -> None:
    assert related(("a",), ("a", "b"))
    assert related(("a", "b"), ("a",))
    assert not related(("a", "b"), ("a", "c"))
    assert related((), ("a",))
