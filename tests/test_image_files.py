"""Picture files through every command: a Parquet table of bytes, a folder of classes and a table of paths."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.data.prepare import prepare
from harness.records.results import load
from harness.spec.reader import load_study
from tests.data.pictures import made

STUDY = Path(__file__).parents[1] / "studies" / "smoke_image_files.yaml"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))

    def harness(*words: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, [*words], catch_exceptions=False)
        assert done.exit_code == code, done.output
        return done.output if code else done.stdout

    return harness


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The pictures of the smoke study in folders of classes, and a table of their paths."""
    rows = pq.read_table(STUDY.parent / "data" / "smoke_pictures.parquet").to_pylist()
    lines = ["image,label"]
    for at, row in enumerate(rows):
        path = Path("test" if at % 5 == 0 else "train", row["label"], row["image"]["path"])
        (tmp_path / "shapes" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "shapes" / path).write_bytes(row["image"]["bytes"])
        lines.append(f"shapes/{path},{row['label']}")
    (tmp_path / "shapes.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path / "shapes"


def test_smoke_study_goes_through_every_command(run: Any, folder: Path, tmp_path: Path) -> None:
    run("sweep", str(STUDY), "training.epochs=1", "training.learning_rate=1e-3")  # that errs
    results = load(tmp_path / "runs" / "smoke_image_files")
    assert results.final is not None
    assert results.final.winner is not None
    assert results.manifest.data.image is not None
    assert all(20 <= side <= 32 for side in results.manifest.data.image[:2])
    page = (tmp_path / "reports" / "smoke_image_files" / "index.html").read_text(encoding="utf-8")
    found = re.findall(r'<td class="picture"><img src="data:image/jpeg;base64,[^"]+" alt="test row \d+">', page)
    assert 1 <= len(found) <= 25
    run("report", "runs/smoke_image_files")
    run("export", "runs/smoke_image_files", "--trial", "0", "--to", "model")
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert "`harness predict FOLDER PICTURES`" in card
    picture = next((folder / "test").rglob("*.jpg"))
    said = json.loads(run("predict", "model", str(picture), str(folder / "train" / "circle"), "--json"))
    assert said[0]["image"] == str(picture)
    assert len(said) == 1 + len(list((folder / "train" / "circle").iterdir()))
    assert all(row.keys() >= {"label", "probability", "probabilities"} for row in said)
    assert _of_pipeline(tmp_path / "model", picture) == pytest.approx(said[0]["probabilities"], abs=1e-4)
    run("predict", "model", "--csv", "shapes.csv", "--out", "told.csv")
    assert "predicted_label" in (tmp_path / "told.csv").read_text(encoding="utf-8").splitlines()[0]
    parquet = str(STUDY.parent / "data" / "smoke_pictures.parquet")
    assert run("predict", "model", "--csv", parquet).splitlines()[1].startswith("circle_0.png,circle,")
    assert "accuracy" in run("evaluate", "model", "shapes.csv")
    run("rerun", "runs/smoke_image_files", "1")
    (folder / "text.png").write_text("text", encoding="utf-8")
    (folder / "empty").mkdir()
    for given, message in (
        ("shapes/none.png", "there is no such picture"),
        ("shapes/empty", "no picture is in this folder"),
        ("shapes/text.png", "shapes/text.png: is no picture"),
    ):
        assert message in run("predict", "model", given, code=2)


@pytest.mark.long
@pytest.mark.parametrize("mode", ["train", "evaluate", "predict"])
def test_speed_is_measured_by_size_and_batch(mode: str, run: Any, tmp_path: Path) -> None:
    cell = "--batch-size 4,8 --precision fp32 --threads 1 --seconds 0.1 --repeats 2"
    for size in (16, 24):
        run(
            "bench",
            str(STUDY),
            f"task_options.image_size={size}",
            "--mode",
            mode,
            *cell.split(),
            "--json",
            f"{size}.json",
        )
        assert json.loads((tmp_path / f"{size}.json").read_text(encoding="utf-8"))


def _of_pipeline(model: Path, picture: Path) -> dict[str, float]:
    """What the code of the card says."""
    from transformers import pipeline

    classify = pipeline("image-classification", model=str(model), device="cpu", top_k=None)
    return {row["label"]: row["score"] for row in classify(str(picture))}


def test_a_folder_of_classes_and_a_table_of_paths_are_read_alike(folder: Path, tmp_path: Path) -> None:
    paths = (folder, tmp_path / "shapes.csv")
    of_folder, of_table = (prepare(load_study(STUDY, [f"data.path={path}"]), tmp_path / "cache") for path in paths)
    assert of_folder.meta.labels == of_table.meta.labels == ("circle", "cross", "square")
    assert of_folder.meta.rows["test"] == 20
    assert sum(of_folder.meta.rows.values()) == sum(of_table.meta.rows.values()) == 96
    assert of_folder.meta.columns == of_table.meta.columns == {"image": "image", "label": "label"}
    assert {picture.digest for picture in of_folder.frame("test")["image"]} == {
        made.sha256(path) for path in (folder / "test").rglob("*.*")
    }


@pytest.mark.parametrize("given", ["shapes", "shapes.csv", str(STUDY.parent / "data" / "smoke_pictures.parquet")])
def test_a_study_is_drafted_for_pictures(given: str, run: Any, folder: Path) -> None:
    run("init", given, "--out", "new.yaml")
    spec = load_study(Path("new.yaml"))
    assert spec.task == "image-classification"
    assert spec.data.columns in ({}, {"image": "image"})


@pytest.mark.long
@pytest.mark.parametrize("engine", ["local", "ray"])
def test_a_folder_of_classes_is_learned_by_every_engine(engine: str, run: Any, folder: Path, tmp_path: Path) -> None:
    run("sweep", str(STUDY), f"data.path={folder}", "confirm=null", "--engine", engine)
    assert load(tmp_path / "runs" / "smoke_image_files").final is not None


def test_a_changed_picture_is_read_again(folder: Path, tmp_path: Path) -> None:
    spec = load_study(STUDY, [f"data.path={tmp_path / 'shapes.csv'}"])
    before = prepare(spec, tmp_path / "cache")
    assert prepare(spec, tmp_path / "cache").folder == before.folder
    next((folder / "train").rglob("*.png")).write_bytes(made.saved(made.colour((40, 40))))
    after = prepare(spec, tmp_path / "cache")
    assert after.folder != before.folder
    assert not after.meta.same_rows(before.meta)
    for picture in after.frame("test")["image"]:
        assert picture.file == after.folder / "pictures.bin"  # the originals may go
        assert picture.sha256() == picture.digest


def test_a_broken_picture_ends_the_study_with_its_name(run: Any, folder: Path, tmp_path: Path) -> None:
    victim = sorted((folder / "train").rglob("*.jpg"))[0]
    victim.write_bytes(victim.read_bytes()[:-60])
    said = run("sweep", str(STUDY), "data.path=shapes.csv", code=2)
    assert victim.name in said and "shapes.csv: row " in said and "is broken or cut off" in said
    victim.write_text("no picture", encoding="utf-8")
    assert "is no picture that can be read" in run("sweep", str(STUDY), f"data.path={folder}", code=2)
