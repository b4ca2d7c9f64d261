"""The small table and the digits, prepared; and tiny checkpoints in folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.data.prepare import prepare
from harness.data.prepared import PreparedData
from harness.spec.study import DataSpec, ModelSpec, StudySpec
from tests.tasks.tiny import architecture, config, texts


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def make_data(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., PreparedData]:
    """Prepares rows of (text, label) or (text, text_pair, label), or digits; for a task on texts."""

    def make(rows: list[tuple[str, ...]] | None = None, task: str = "text-classification") -> PreparedData:
        folder = tmp_path_factory.mktemp("data")
        if rows is None:
            spec: dict[str, Any] = {"builtin": "digits"}
        else:
            names = ["text", "text_pair", "label"] if len(rows[0]) == 3 else ["text", "label"]
            lines = [",".join(f'"{cell}"' for cell in row) for row in rows]
            (folder / "t.csv").write_text("\n".join([",".join(names), *lines]), encoding="utf-8")
            spec = {"path": str(folder / "t.csv"), "text_pair": "text_pair" if len(names) == 3 else None}
        study = StudySpec(
            name="s",
            task=task if rows is not None else "image-classification",
            data=DataSpec.model_validate(spec),
            model=ModelSpec(checkpoint="x"),
        )
        return prepare(study, folder / "cache")

    return make


@pytest.fixture(scope="session")
def data(make_data: Callable[..., PreparedData]) -> PreparedData:
    return make_data(texts())


@pytest.fixture(scope="session")
def pairs(make_data: Callable[..., PreparedData]) -> PreparedData:
    rows = texts()
    return make_data([(text, rows[-at][0], label) for at, (text, label) in enumerate(rows)])


@pytest.fixture(scope="session")
def digits(make_data: Callable[..., PreparedData]) -> PreparedData:
    return make_data()


@pytest.fixture
def saved(data: PreparedData, tmp_path: Path) -> Callable[[str], Path]:
    """Writes a tiny random checkpoint of a family, with its tokenizer, as a user's folder would be."""

    def save(family: str) -> Path:
        import torch

        from harness.tasks import task_of
        from harness.tasks.models import quiet

        trial = config(architecture=architecture(family))
        task = task_of(trial.task)
        torch.manual_seed(0)
        with quiet():
            task.build_model(trial, data).save_pretrained(tmp_path / family)
        task.write_processor(trial, data, tmp_path / family)
        return tmp_path / family

    return save
