"""A user's own code by name: what is trusted, where it is looked for, and what is said when it is not there."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import create_model

from harness.errors import InputError
from harness.spec import foreign
from harness.spec.foreign import import_object, is_foreign, trust
from harness.spec.space import Frozen
from harness.spec.tasks import TASKS, TEXT, Field, facts_of, remember
from harness.stats.metric import Metric, of_function
from harness.stats.regression import REGRESSION


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No name is trusted, and the modules of the test are forgotten."""
    monkeypatch.setattr(foreign, "_TRUSTED", set())
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


def written(folder: Path, text: str = "thing = 7\n", name: str = "their_module") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(text)
    return folder


@pytest.mark.parametrize("name", ["a:b", "my_package.my_module:MyTask"])
def test_names_of_objects(name: str) -> None:
    assert is_foreign(name)


@pytest.mark.parametrize(
    "name", ["text-classification", "a", "a:", ":b", "a:b:c", "../a:b", "a:b\n", "a b:c", "a.:b", ""]
)
def test_other_names(name: str) -> None:
    assert not is_foreign(name)


def test_what_is_not_trusted_is_never_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(written(tmp_path / "lib", "raise SystemExit('imported')\n"))
    with pytest.raises(InputError, match="--trust their_module:thing"):
        import_object("their_module:thing")


def test_a_trusted_object_comes_from_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(written(tmp_path / "lib"))
    trust("their_module:thing")
    assert import_object("their_module:thing") == 7


def test_the_current_folder_is_not_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(written(tmp_path / "here"))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.syspath_prepend("")
    trust("their_module:thing")
    with pytest.raises(InputError, match="the current folder is not searched"):
        import_object("their_module:thing")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "here"))
    assert import_object("their_module:thing") == 7


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("thing = 7\n", "their_module:other", "has no 'other'"),
        ("thing = 7\n", "no_such_module:thing", "No module named 'no_such_module'"),
        ("1 / 0\n", "their_module:thing", "ZeroDivisionError: division by zero"),
        ("def (\n", "their_module:thing", "SyntaxError"),
    ],
)
def test_what_cannot_be_imported_is_told(
    text: str, name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(written(tmp_path / "lib", text))
    trust(name)
    with pytest.raises(InputError, match=message):
        import_object(name)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"fields": (Field(name="row", kind="number", target=True),)}, "none may be called row"),
        ({"fields": (TEXT, TEXT)}, "fields need names of their own"),
        ({"fields": (Field(name="a", kind=cast(Any, "sound")),)}, "'sound' is no kind of field"),
        ({"lens": "klasses"}, "'klasses' is no lens"),
        ({"options": create_model("Options", __base__=Frozen, stride=(int, ...))}, "'stride' needs a default"),
        ({"options": create_model("Options", __base__=Frozen, steps=(tuple, ("a",)))}, "'steps' needs a default"),
        ({"loss": "gap"}, "'gap' is none of its metrics"),
        ({"loss": "r2"}, "'r2' has maximize=True; name a metric that is minimised"),
        ({"metrics": (*REGRESSION, REGRESSION[1])}, "metrics need names of their own"),
        ({"metrics": (*REGRESSION, replace(REGRESSION[1], name="a\nb"))}, r"'a\\nb' is no name"),
        ({"fields": (Field(name="../x", kind="text"),)}, "'../x' is no name"),
        ({"options": create_model("Options", __base__=Frozen, **{"a-b": (int, 1)})}, "'a-b' is no name"),
        ({"fields": (TEXT, replace(TEXT, name="other"))}, "two fields have the same short"),
    ],
)
def test_facts_that_contradict_each_other_are_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(TASKS["text-regression"], **changed)


def task_with_metrics(folder: Path, monkeypatch: pytest.MonkeyPatch, metrics: str) -> str:
    """The name of a task in a module of its own, whose metrics are this expression."""
    lines = [
        "from dataclasses import replace",
        "from math import inf",
        "from harness.spec.tasks import TASKS",
        "from harness.stats.metric import Metric, of_function",
        "known = TASKS['text-regression']",
        "rmse, *others = known.metrics",
        "class Task:",
        f"    facts = replace(known, metrics=({metrics}))",
    ]
    monkeypatch.syspath_prepend(written(folder / "lib", "\n".join(lines), name="their_task"))
    trust("their_task:Task")
    return "their_task:Task"


@pytest.mark.parametrize(
    "change",
    [
        "title='error'",
        "unit='days'",
        "low=-1.0",
        "high=5.0",
        "percent=True",
        "is_share=True",
        "needs_variety=True",
        "row_stats=None, of_sums=None, value=of_function(lambda outputs, targets: 1.0)",
    ],
)
def test_metric_that_is_called_as_another_is_refused(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = task_with_metrics(tmp_path, monkeypatch, f"replace(rmse, {change}), *others")
    with pytest.raises(InputError, match="'rmse' is not that of text-regression; choose another name"):
        facts_of(name)


def test_metric_of_another_direction_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = task_with_metrics(tmp_path, monkeypatch, "rmse, replace(others[0], maximize=True)")
    with pytest.raises(InputError, match="'mae' is not that of text-regression"):
        facts_of(name)


def test_built_in_metrics_may_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = task_with_metrics(tmp_path, monkeypatch, "rmse, replace(rmse, name='other', unit='days')")
    assert [metric.name for metric in facts_of(name).metrics] == ["rmse", "other"]


def test_metric_without_a_formula_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = "Metric(name='own', title='own', maximize=False, low=0.0, high=inf)"
    name = task_with_metrics(tmp_path, monkeypatch, f"rmse, {own}")
    with pytest.raises(InputError, match="'own' has no formula; give row_stats and of_sums, or value"):
        facts_of(name)


@pytest.mark.parametrize(("most", "refused"), [("", True), ("    max_texts = 3", False)])
def test_task_of_more_texts_than_it_encodes_is_refused(
    most: str, refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [
        "from dataclasses import replace",
        "from harness.spec.tasks import NUMBER, TASKS, Field",
        "from harness.tasks.texts import TextTask",
        "three = tuple(Field(name=name, kind='text') for name in ('head', 'body', 'tail'))",
        "class Task(TextTask):",
        "    facts = replace(TASKS['text-regression'], fields=(*three, NUMBER))",
        most,
    ]
    monkeypatch.syspath_prepend(written(tmp_path / "lib", "\n".join(lines), name="long_letters"))
    trust("long_letters:Task")
    if refused:
        with pytest.raises(InputError, match=r"has 3 texts \(head, body, tail\), and encodes at most 2; join columns"):
            facts_of("long_letters:Task")
    else:
        assert facts_of("long_letters:Task").texts == ("head", "body", "tail")


def test_metric_of_another_users_task_has_the_same_facts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A metric's name stands for its facts where runs are compared; formulas may differ."""
    gap = Metric(name="gap", title="gap", maximize=False, low=0.0, high=inf, value=of_function(lambda *_: 0.0))
    known = TASKS["text-regression"]
    monkeypatch.setattr("harness.spec.tasks._FOREIGN", {})
    remember(replace(known, name="one:Task", metrics=(gap, *known.metrics)))
    remember(replace(known, name="two:Task", metrics=(replace(gap, value=of_function(lambda *_: 1.0)), *known.metrics)))
    with pytest.raises(InputError, match="'three:Task': its metric 'gap' is not that of one:Task"):
        remember(replace(known, name="three:Task", metrics=(replace(gap, maximize=True), *known.metrics)))
