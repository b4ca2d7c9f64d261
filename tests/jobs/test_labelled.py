"""The scores of predictions for a table that holds the truth too."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.data.readers.form import Form
from harness.errors import DataError
from harness.jobs.labelled import table_scores
from harness.jobs.predict import Export, read_table
from harness.stats.completions import utf8
from harness.stats.ragged import Ragged

#: The outputs of a model that was shown no answer.
NLL = ("nll", "hits", "tokens", "bytes", "whole_bytes")


def export(task: str = "text-classification", names: tuple[str, ...] = ("no", "yes")) -> Export:
    return Export(
        folder=Path("best"), task=task, names=names, preprocess=(), max_length=16, columns={"text": "text"},
        target="label", value_columns=("label",),
    )  # fmt: skip


def said(*classes: int) -> dict[str, np.ndarray]:
    return {"probabilities": np.eye(2)[list(classes)] * 0.8 + 0.1}


def test_scores_are_of_the_rows_with_a_label_that_the_model_knows() -> None:
    found = table_scores(export(), {"label": ["no", "yes", "", "perhaps", " yes "]}, said(0, 0, 0, 0, 1))
    assert found is not None
    assert found.num_rows == 3
    scores = {metric.name: value for metric, value in found.scores}
    assert scores["accuracy"] == pytest.approx(2 / 3)


def test_labels_are_read_as_training_reads_them() -> None:
    found = table_scores(export(names=("0", "1")), {"label": ["1.0", 0, [1], None, "?"]}, said(1, 0, 1, 0, 0))
    assert found is not None
    assert found.num_rows == 3
    assert {metric.name: value for metric, value in found.scores}["accuracy"] == 1


def test_metric_that_is_not_defined_is_left_out() -> None:
    found = table_scores(export(), {"label": ["no", "no"]}, said(0, 0))
    assert found is not None
    assert {metric.name for metric, _ in found.scores} == {"accuracy", "macro_f1", "mcc", "log_loss"}


def test_table_without_labels_has_no_scores() -> None:
    assert table_scores(export(), {"text": ["a"]}, said(0)) is None


@pytest.mark.parametrize(
    ("label", "notes"),
    [
        ("", ("not scored: no row has a value in column 'label'",)),
        (
            "perhaps",
            (
                "'label': 1 row has a value that the model does not know: 'perhaps' (1); it knows 'no', 'yes'",
                "not scored: no row has a value that the model knows in column 'label'",
            ),
        ),
    ],
)
def test_labels_that_cannot_be_scored_are_told(label: str, notes: tuple[str, ...]) -> None:
    found = table_scores(export(), {"text": ["a"], "label": [label]}, said(0))
    assert found is not None
    assert (found.scores, found.notes) == ((), notes)


@pytest.mark.parametrize("column", ["Label", " LABEL ", "\ufefflabel"])
def test_labels_are_found_as_training_finds_them(column: str) -> None:
    found = table_scores(export(), {"Text": ["a", "b"], column: ["no", "yes"]}, said(0, 1))
    assert found is not None
    assert (found.column, found.num_rows) == (column, 2)
    assert {metric.name: value for metric, value in found.scores}["accuracy"] == 1
    assert any("there is no 'label'" in note for note in found.notes)


def test_labels_in_another_case_get_the_names_of_training() -> None:
    found = table_scores(export(), {"label": ["NO", "Yes", "yes", "Perhaps", "perhaps", "x"]}, said(0, 1, 0, 0, 0, 0))
    assert found is not None
    assert found.num_rows == 3
    assert {metric.name: value for metric, value in found.scores}["accuracy"] == pytest.approx(2 / 3)
    assert found.notes == (
        "'label': read by the names of training: 'NO' as 'no', 'Yes' as 'yes'",
        "'label': 3 rows have a value that the model does not know: 'Perhaps' (1), 'perhaps' (1), 'x' (1); it knows "
        "'no', 'yes'",
    )
    cases = export(names=("no", "No"))
    both = table_scores(cases, {"label": ["no", "No", "NO"]}, said(0, 1, 0))
    assert both is not None
    assert both.num_rows == 2, "which of two names 'NO' is nobody knows"


def test_numbers_are_scored_and_other_values_are_refused() -> None:
    numbers, outputs = export("text-regression", ()), {"predictions": np.array([1.0, 2.0])}
    found = table_scores(numbers, {"label": ["1.5", "2"]}, outputs)
    assert found is not None
    empty = table_scores(numbers, {"label": ["1.5", ""]}, outputs)
    assert empty is not None
    assert empty.num_rows == 1
    assert {metric.name: value for metric, value in found.scores}["mae"] == pytest.approx(0.25)
    with pytest.raises(DataError, match="which is not a number"):
        table_scores(numbers, {"label": ["1.5", "two"]}, outputs)


SETS = {"probabilities": np.array([[0.9, 0.1], [0.2, 0.8]]), "decisions": np.array([[True, False], [False, True]])}


@pytest.mark.parametrize(
    ("target", "columns"),
    [
        ("label", {"label": [["a"], ["b"]]}),
        ("label", {"label": ["a", "b ; "]}),
        ("a, b", {"a": ["1", "0"], "b": [0, True]}),
    ],
)
def test_sets_of_labels_are_scored_however_they_are_written(target: str, columns: dict[str, list[object]]) -> None:
    exported = replace(export("multi-label-classification", ("a", "b")), target=target, form=Form(label_separator=";"))
    found = table_scores(exported, columns, SETS)
    assert found is not None
    assert found.num_rows == 2
    assert {metric.name: value for metric, value in found.scores}["exact_match"] == 1


def test_sets_of_labels_in_another_case_get_the_names_of_training() -> None:
    exported = replace(export("multi-label-classification", ("a", "b")), form=Form(label_separator=";"))
    found = table_scores(exported, {"label": ["A", "B;c"]}, SETS)
    assert found is not None
    assert found.num_rows == 1
    assert found.notes == (
        "'label': read by the names of training: 'A' as 'a', 'B' as 'b'",
        "'label': 1 row has a value that the model does not know: 'c' (1); it knows 'a', 'b'",
    )


def test_tags_are_scored_however_they_are_written() -> None:
    exported = replace(export("token-classification", ("O", "B-A", "I-A")), columns={"words": "text"})
    outputs = {"probabilities": Ragged(values=np.eye(3)[[1, 2, 0]] * 0.9 + 0.03, offsets=np.array([0, 3]))}
    for tags in (["B-A", "I-A", "O"], ["B-A", "E-A", "O"], ["A", "A", "O"]):
        found = table_scores(exported, {"text": [["x", "y", "z"]], "label": [tags]}, outputs)
        assert found is not None
        assert {metric.name: value for metric, value in found.scores}["entity_f1"] == 1
    with pytest.raises(DataError, match="the words of the table are not as many as the tags in 'label'"):
        table_scores(exported, {"text": [["x"]], "label": [["B-A", "O"]]}, outputs)


def test_answers_are_scored_where_they_are_in_their_context() -> None:
    columns = {"question": "question", "context": "context"}
    exported = replace(export("question-answering", ()), columns=columns, target="answers")
    tokens = np.array([0, 2, 4])
    outputs = {
        "spans": np.array([[4, 7], [8, 11]]),
        "places": Ragged(values=np.array([[-1, -1], [4, 7], [-1, -1], [0, 3]]), offsets=tokens),
        "log_probabilities": Ragged(values=np.log(np.full((4, 2), 0.5)), offsets=tokens),
    }
    table = {"question": ["who?", "who?"], "context": ["the fox ran", "the fox ran"]}
    for answers in ("fox", [{"text": "fox", "answer_start": 4}], {"text": ["fox"], "answer_start": [4]}):
        found = table_scores(exported, {**table, "answers": [answers, None]}, outputs)
        assert found is not None
        assert found.num_rows == 1
        assert {metric.name: value for metric, value in found.scores}["exact_match"] == 1
    both = table_scores(exported, {**table, "answers": ["fox", []]}, outputs)
    assert both is not None
    assert {metric.name: value for metric, value in both.scores}["f1"] == 0.5
    with pytest.raises(DataError, match="the table: row 2: 'answers': 'wolf' is not in 'context'"):
        table_scores(exported, {**table, "answers": ["fox", "wolf"]}, outputs)


def completions(folder: Path, columns: dict[str, str], target: str) -> Export:
    return Export(
        folder=folder,
        task="causal-lm",
        names=(),
        preprocess=(),
        max_length=64,
        columns=columns,
        target=target,
        value_columns=("completion",),
    )


def test_prompts_of_several_columns_are_read_and_their_answers_scored(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("instruction,input,output\nAdd.,2 3,5\nSing.,,la la\n,,no\n", encoding="utf-8")
    export = completions(tmp_path, {"prompt": "instruction, input"}, "output")
    columns, rows, _ = read_table(export, tmp_path / "t.csv")
    assert rows == [{"prompt": "Add.\n\n2 3"}, {"prompt": "Sing."}, None]
    said = {"texts": utf8(["5", "la"]), "is_written": np.ones(2, dtype=np.uint8), **dict.fromkeys(NLL, np.zeros(2))}
    found = table_scores(export, {name: values[:2] for name, values in columns.items()}, said)
    assert found is not None
    assert {metric.name: value for metric, value in found.scores} == pytest.approx(
        {"exact_match": 0.5, "rouge_l": (1 + 2 / 3) / 2, "token_f1": (1 + 2 / 3) / 2}
    )


def test_chats_are_read_with_their_turns_and_the_last_answer_scored(tmp_path: Path) -> None:
    chat = [{"role": "user", "content": "Open?"}, {"role": "assistant", "content": "Yes."}]
    (tmp_path / "t.jsonl").write_text("\n".join([json.dumps({"messages": chat})] * 2), encoding="utf-8")
    export = completions(tmp_path, {"messages": "messages"}, "messages")
    columns, rows, _ = read_table(export, tmp_path / "t.jsonl")
    assert rows == [{"messages": chat}] * 2
    said = {"texts": utf8(["Yes.", "No."]), "is_written": np.ones(2, dtype=np.uint8)}
    found = table_scores(export, columns, said)
    assert found is not None
    assert {metric.name: value for metric, value in found.scores}["exact_match"] == 0.5


def test_documents_that_are_continued_have_no_scores(tmp_path: Path) -> None:
    export = completions(tmp_path, {"text": "text"}, "text")
    said = {"texts": utf8(["b", "c"]), "is_written": np.zeros(2, dtype=np.uint8)}
    assert table_scores(export, {"text": ["a", "b"]}, said) is None
