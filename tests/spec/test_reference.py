"""docs/study.md is what the code gives, and its examples are allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import BaseModel, TypeAdapter
from typer.testing import CliRunner

from harness.cli import app
from harness.spec.study import DataSpec, PrunerSpec, SearchSpec, StudySpec
from harness.spec.study.json_schema import study_schema
from harness.spec.study.meanings import MEANINGS
from harness.spec.study.reference import key_examples, study_reference
from harness.spec.tasks import TASKS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "study.md"


def test_page_is_what_the_code_gives() -> None:
    shown = CliRunner().invoke(app, ["schema", "--markdown"])
    assert shown.exit_code == 0
    remedy = "run: harness schema --markdown > docs/study.md"
    assert PAGE.read_text(encoding="utf-8") == study_reference() == shown.stdout, remedy


def models() -> dict[str, type[BaseModel]]:
    """The typed sections by their key in a study."""
    found: dict[str, type[BaseModel]] = {"": StudySpec}
    for section in ("data", "model", "training", "search", "budget", "engine"):
        found[section] = StudySpec.model_fields[section].annotation  # type: ignore[assignment]
    confirm = StudySpec.model_fields["confirm"].annotation
    hub = DataSpec.model_fields["hub"].annotation
    found |= {"confirm": confirm.__args__[0], "data.hub": hub.__args__[0]}  # type: ignore[union-attr]
    found |= {"data.split": DataSpec.model_fields["split"].annotation, "search.pruner": PrunerSpec}  # type: ignore[dict-item]
    return found


def test_every_key_is_on_the_page() -> None:
    shown = {(section, key) for section, key, _ in key_examples()}
    for section, model in models().items():
        assert {(section, field.alias or name) for name, field in model.model_fields.items()} <= shown


@pytest.mark.parametrize(
    ("section", "key", "example"), [pytest.param(*case, id=".".join(case[:2])) for case in key_examples()]
)
def test_example_is_allowed(section: str, key: str, example: Any) -> None:
    fields = {field.alias or name: field for name, field in models()[section].model_fields.items()}
    if isinstance(fields[key].annotation, type) and issubclass(fields[key].annotation, BaseModel):
        return  # a section, whose keys have examples of their own
    TypeAdapter(fields[key].rebuild_annotation()).validate_python(example)
    definitions = study_schema()["$defs"]
    shown = study_schema()["properties"] if not section else None
    for definition in definitions.values():
        properties = definition.get("properties", {})
        shown = properties if shown is None and set(properties) == set(fields) else shown
    assert shown is not None
    validator = jsonschema.Draft202012Validator({**shown[key], "$defs": definitions})
    validator.validate(example)


def test_every_key_and_option_says_what_it_means() -> None:
    schema = study_schema()
    sections = [schema, *(part for name, part in schema["$defs"].items() if name.endswith("Spec"))]
    options = [facts.options.model_json_schema() for facts in TASKS.values()]
    silent = [key for part in [*sections, *options] for key, value in part.get("properties", {}).items()
              if not value.get("description")]  # fmt: skip
    assert silent == []


@pytest.mark.parametrize(
    ("key", "model"),
    [("search.sampler", SearchSpec), ("search.pruner.name", PrunerSpec), ("data.preprocess", DataSpec),
     ("data.augment", DataSpec)],
)  # fmt: skip
def test_names_and_their_meanings_are_the_same(key: str, model: type[BaseModel]) -> None:
    field = model.model_json_schema()["properties"][key.rpartition(".")[2]]
    names = field.get("enum") or field["oneOf"][0]["items"]["enum"]
    assert list(MEANINGS[key]) == names


def test_definitions_have_plain_names() -> None:
    names = list(study_schema()["$defs"])
    assert {"learning_rate_range", "max_length_choices", "DataSpec"} <= set(names)
    assert [name for name in names if not name.replace("_", "").isalpha()] == []


def test_page_lists_the_metrics_of_every_task() -> None:
    text = study_reference()
    for name, facts in TASKS.items():
        part = text.partition(f"### {name}\n")[2].partition("### ")[0]
        assert [metric.name for metric in facts.metrics if f"| `{metric.name}` |" not in part] == []
        assert [field.name for field in facts.fields if f"| `{field.name}` |" not in part] == []
        assert [option for option in facts.options.model_fields if f"| `{option}` |" not in part] == []
