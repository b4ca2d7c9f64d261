"""Answers in a text: windows and positions, the loss, the best span, no answer, baselines, and what is refused."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from harness.data.encoded import Encoded, Ragged
from harness.data.prepare import prepare
from harness.data.prepared import PreparedData
from harness.errors import CheckpointError, DataError
from harness.spec.study import StudySpec
from harness.spec.trial import TrialConfig
from harness.stats.answers import NO_ANSWER
from harness.tasks import task_of
from harness.tasks.answering import windows
from harness.tasks.answering.best_spans import best_spans, tokens_of_rows
from harness.tasks.answering.no_answer import best_threshold, with_spans
from harness.tasks.answering.windows import ENDS, POSITIONS, STARTS, load_offset_tokenizer
from harness.tasks.encode import baselines, encoded, facts
from harness.tasks.models import quiet
from harness.training import loop
from harness.training.evaluate import answered
from harness.training.host import Host
from harness.training.model import fresh_model
from harness.trial import run_trial
from tests.tasks.tiny import architecture, config

TASK: Any = task_of("question-answering")
NAMES, PLACES = ("Mira", "Tom", "Anna", "Nadia"), ("under the pot", "in the green shed", "near the mill")
CPU = torch.device("cpu")


def rows(count: int = 120) -> list[dict[str, Any]]:
    found = []
    for at in range(count):
        place, name = PLACES[at // 2 % 3], NAMES[at // 2 % 4]
        context = f"{'It rained again. ' * (at // 2 % 4)}{name} left key {at // 2} {place} on Friday."
        answers = [] if at % 6 == 5 else [{"text": place, "start": context.index(place)}]
        asked = f"Where is key {at // 2}?" if at % 2 else f"Where did {name} leave key {at // 2}?"
        found.append({"question": asked, "context": context, "answers": answers})
    return found


def prepared(folder: Path, given: list[dict[str, Any]], **data: Any) -> PreparedData:
    (folder / "t.jsonl").write_text("\n".join(map(json.dumps, given)), encoding="utf-8")
    study = {"name": "s", "task": TASK.facts.name, "data": {"path": str(folder / "t.jsonl"), **data}}
    return prepare(StudySpec.model_validate({**study, "model": {"checkpoint": "x"}}), folder / "cache")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    return prepared(tmp_path_factory.mktemp("answers"), rows())


def trial(family: str = "bert", options: dict[str, Any] | None = None, **data: Any) -> TrialConfig:
    made = config(TASK.facts.name, data={"max_length": 20, **data}, architecture=architecture(family))
    return made.model_copy(update={"task_options": {"doc_stride": 4, "max_answer": 6, **(options or {})}})


def model_of(data: PreparedData, family: str = "bert") -> Any:
    torch.manual_seed(0)
    with quiet():
        return TASK.build_model(trial(family), data).eval()


def ragged(array: Any) -> Ragged:
    assert isinstance(array, Ragged)
    return array


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "gpt2"])
def test_windows_cover_the_context_and_hold_the_answer(family: str, data: PreparedData) -> None:
    examples, frame = encoded(data, trial(family), "train"), data.frame("train")
    assert len(examples) > examples.num_rows == len(frame)
    starts, ends = ragged(examples.fields[STARTS]), ragged(examples.fields[ENDS])
    positions, with_answer = np.asarray(examples.fields[POSITIONS]), set()
    for row in range(len(frame)):
        context, covered = frame["context"][row], set()
        for window in examples.examples_of(np.array([row])):
            begin, end = starts.offsets[window : window + 2]
            places = list(zip(starts.values[begin:end].tolist(), ends.values[begin:end].tolist(), strict=True))
            assert len(places) <= 20
            assert sum(place == (NO_ANSWER, NO_ANSWER) for place in places) == 1
            covered |= {at for first, behind in places if first >= 0 for at in range(first, behind)}
            first, last = positions[window]
            if places[first][0] >= 0:
                with_answer.add(row)
                gold = frame["answers"][row][0]
                assert context[places[first][0] : places[last][1]] == context[gold[0] : gold[1]]
            else:
                assert places[first] == places[last] == (NO_ANSWER, NO_ANSWER)
        assert covered == {at for at, sign in enumerate(context) if not sign.isspace()}
    assert with_answer == {row for row, answers in enumerate(frame["answers"]) if len(answers)}


def test_examples_of_rows_are_their_windows(data: PreparedData) -> None:
    examples, asked = encoded(data, trial(), "train"), np.array([7, 0, 7, 3])
    found = [np.flatnonzero(examples.row_of == row) for row in asked]
    assert examples.examples_of(asked).tolist() == np.concatenate(found).tolist()
    assert examples.num_examples(asked).tolist() == [len(part) for part in found]


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "gpt2"])
def test_loss_is_that_of_a_plain_transformers_loop(family: str, data: PreparedData) -> None:
    """Transformers counts padding as a place for the answer, so its own loss is taken of windows of one length."""
    model, examples = model_of(data, family), encoded(data, trial(family), "train")
    positions = np.asarray(examples.fields[POSITIONS])[:, 0]
    full = np.asarray(examples.lengths) == 20
    chosen = np.concatenate([np.flatnonzero(full & (positions > 0))[:5], np.flatnonzero(full & (positions == 0))[:3]])
    assert len(chosen) == 8
    loss = TASK.make_loss(trial(family), data, examples, chosen, CPU)
    inputs, targets = TASK.collate(examples, chosen), TASK.targets(examples, chosen)
    ours = float(loss(model(**inputs), targets).detach()) / loss.weight(chosen)
    first, last = targets["positions"].unbind(1)
    theirs = float(model(**inputs, start_positions=first, end_positions=last).loss.detach())
    assert ours == pytest.approx(theirs, abs=1e-5)


def test_padding_is_no_place_for_an_answer(data: PreparedData) -> None:
    model, examples = model_of(data), encoded(data, trial(), "train")
    lengths = np.asarray(examples.lengths)
    chosen = np.array([int(lengths.argmin()), int(lengths.argmax())])
    loss = TASK.make_loss(trial(), data, examples, chosen, CPU)
    inputs, targets = TASK.collate(examples, chosen), TASK.targets(examples, chosen)
    expected = 0.0
    for row in chosen:
        alone = TASK.collate(examples, np.array([row]))
        with torch.no_grad():
            output = model(**alone)
        at = torch.from_numpy(np.asarray(examples.fields[POSITIONS])[[row]])
        sides = (output.start_logits, at[:, 0]), (output.end_logits, at[:, 1])
        expected += sum(float(functional.cross_entropy(logits, side)) for logits, side in sides) / 2
    assert float(loss(model(**inputs), targets).detach()) == pytest.approx(expected, abs=1e-5)


def test_padding_on_the_left_moves_the_positions(data: PreparedData) -> None:
    examples, chosen = encoded(data, trial(), "train"), np.arange(12)
    right = TASK.targets(examples, chosen)
    left = TASK.targets(replace(examples, stats={**examples.stats, "padding": "left"}), chosen)
    moved = 20 - np.asarray(examples.lengths)[chosen]
    assert (moved > 0).any()
    assert (left["positions"] - right["positions"]).tolist() == [[shift, shift] for shift in moved.tolist()]
    assert left["padding"].flip(1).tolist() == right["padding"].tolist()


def fitted(tokens: list[list[tuple[float, float]]], row_windows: list[int], most: int) -> tuple[Any, Any]:
    """The best spans of windows whose first token is none and whose i-th other token is at (10 i, 10 i + 5)."""
    lengths = [len(window) for window in tokens]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    starts = np.concatenate([[NO_ANSWER, *range(0, 10 * (length - 1), 10)] for length in lengths])
    ends = np.where(starts < 0, starts, starts + 5)
    values = np.array([pair for window in tokens for pair in window])
    parts = [Ragged(values=array, offsets=offsets) for array in (values, starts, ends)]
    return best_spans(tokens_of_rows(*parts, np.array(row_windows)), most)


def test_best_span_is_in_one_window_and_no_longer_than_allowed() -> None:
    first = [(-1.0, -2.0), (-0.5, -9.0), (-9.0, -8.0), (-9.0, -0.5)]
    second = [(-3.0, -4.0), (-2.0, -2.5), (-9.0, -9.0)]
    spans, scores = fitted([first, second], [2], 3)
    assert spans.tolist() == [[0, 25]]
    assert scores.tolist() == [[-1.0, -7.0]], "no answer is as likely as in the window that finds it least likely"
    spans, scores = fitted([first, second], [2], 2)
    assert spans.tolist() == [[0, 5]], "of the second window, which has a shorter one"
    assert scores[0, 0] == pytest.approx(-4.5)


def test_end_before_start_is_no_answer() -> None:
    spans, _ = fitted([[(0.0, 0.0), (-9.0, -0.1), (-0.1, -9.0)]], [1], 5)
    assert spans.tolist() == [[0, 5]]


def test_window_without_text_has_no_answer() -> None:
    spans, scores = fitted([[(0.0, 0.0)], [(-1.0, -1.0), (-2.0, -2.0)]], [1, 1], 5)
    assert spans.tolist() == [[-1, -1], [0, 5]]
    assert np.isfinite(scores).all()


def test_answers_are_parts_of_their_context(data: PreparedData) -> None:
    examples, frame = encoded(data, trial(), "test"), data.frame("test")
    outputs = answered(model_of(data), TASK, examples, np.arange(len(frame)), CPU, data.folder)
    for row, context in enumerate(frame["context"]):
        prediction = TASK.located(TASK.predict(outputs, row, ()), {"context": context})
        assert prediction["answer"].strip()
        assert context[prediction["start"] : prediction["end"]] == prediction["answer"]
        assert 0 < prediction["score"] < 1
    assert math.isfinite(TASK.metrics(outputs, TASK.row_targets(frame))["log_loss"])


def test_threshold_gives_none_where_that_is_best() -> None:
    text = np.frombuffer(b"one two three four", dtype=np.uint8)
    targets = {
        "contexts": Ragged(values=text, offsets=np.array([0, 3, 7, 13, 18])),
        "spans": Ragged(values=np.array([[0, 3], [0, 2]]), offsets=np.array([0, 1, 1, 1, 2])),
    }
    outputs = {
        "candidates": np.array([[0, 3], [0, 2], [0, 2], [0, 2]]),
        "scores": np.log([[0.6, 0.1], [0.2, 0.3], [0.1, 0.7], [0.3, 0.31]]).astype(np.float32),
    }
    threshold = best_threshold(outputs, targets)
    assert threshold is not None
    assert np.log(0.31 / 0.3) < threshold < np.log(0.3 / 0.2)
    assert with_spans(outputs, threshold)["spans"].tolist() == [[0, 3], [-1, -1], [-1, -1], [0, 2]]
    assert with_spans(outputs, None)["spans"].tolist() == outputs["candidates"].tolist()
    all_answered = {**targets, "spans": Ragged(values=np.array([[0, 3]] * 4), offsets=np.arange(5))}
    assert best_threshold(outputs, all_answered) is None


def test_no_answer_is_told_and_shown() -> None:
    outputs = {"spans": np.array([[-1, -1]]), "scores": np.log([[0.2, 0.5]])}
    prediction = TASK.located(TASK.predict(outputs, 0, ()), {"context": "text"})
    assert prediction == {"answer": None, "score": pytest.approx(0.5), "start": None, "end": None}
    assert "more than 1.500" in TASK.told({"no_answer_threshold": 1.5}, ())
    assert TASK.told({}, ()) == ""
    gold = {"spans": Ragged(values=np.array([[0, 1]]), offsets=np.array([0, 1]))}
    assert TASK.answer_warnings(outputs, gold, ()) == ["The model gives no answer to any test question."]


def test_baselines_and_chance(data: PreparedData) -> None:
    found, targets = baselines(data, TASK.facts.name, None, ["validation", "test"])
    assert list(found) == ["the sentence with most words of the question", "no answer"]
    sentence, none = (TASK.metrics(outputs["test"], targets["test"]) for outputs in found.values())
    assert 0.2 < sentence["f1"] < 1
    shares = np.mean(np.diff(targets["test"]["spans"].offsets) == 0)
    assert none["f1"] == none["exact_match"] == pytest.approx(shares)
    chance = TASK.chance(data)
    assert chance["f1"] < 0.5
    assert sentence["log_loss"] < none["log_loss"]
    assert 1 < chance["log_loss"] < none["log_loss"]


def test_passages_stay_together_and_are_drawn_together(data: PreparedData, tmp_path: Path) -> None:
    contexts = {split: set(data.frame(split)["context"]) for split in ("train", "validation", "test")}
    assert not contexts["train"] & contexts["test"]
    assert not contexts["validation"] & contexts["test"]
    units = data.units("test")
    assert units is not None
    assert len(set(units.tolist())) == len(contexts["test"]) < len(units)
    other = prepared(tmp_path, rows(), resample_by="question", split={"group": "question"})
    own = other.units("test")
    assert own is not None
    assert len(set(own.tolist())) == len(own)


def test_cleaning_and_copies_change_the_question_alone(data: PreparedData) -> None:
    plain, frame = encoded(data, trial(), "train"), data.frame("train")
    changed = encoded(data, trial(preprocess=("strip_punctuation",), augment=("delete",)), "train")
    assert changed.num_rows == 2 * len(frame)
    tokenizer = TASK.load_tokenizer(TASK.processor_folder(trial(), data))
    for examples, row, sign in ((plain, 3, True), (changed, 3, False), (changed, 3 + len(frame), False)):
        window = examples.examples_of(np.array([row]))[:1]
        ids = ragged(examples.fields["input_ids"]).take(window).values.tolist()
        question, context = tokenizer.decode(ids).split("[SEP]")[:2]
        assert ("?" in question) == sign
        assert "." in context or "friday" in context or "it rained" in context
        starts, ends = (ragged(examples.fields[name]).take(window).values for name in (STARTS, ENDS))
        text = frame["context"][3]
        assert all(text[a:b].strip() == text[a:b] for a, b in zip(starts, ends, strict=True) if a >= 0)
    assert len(np.asarray(ragged(changed.targets["spans"]).offsets)) == 2 * len(frame) + 1


def test_long_questions_and_short_windows_are_told(data: PreparedData) -> None:
    lines = facts(data, trial(max_length=12))
    assert any(
        "share 4 of their context, not 9" in line
        for line in facts(data, trial(max_length=12, options={"doc_stride": 9}))
    )
    assert any("questions are cut: they leave no room for the context" in line for line in lines)
    assert any("have several windows" in line for line in lines)
    with pytest.raises(DataError, match=r"data\.max_length: 8 tokens leave no room for a question and its context"):
        encoded(data, trial(max_length=8), "train")


def test_a_tokenizer_without_places_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(windows, "load_tokenizer", lambda folder: SimpleNamespace(is_fast=False))
    with pytest.raises(CheckpointError, match="does not say where its tokens are in a text"):
        load_offset_tokenizer(tmp_path)


def test_a_pretrained_head_is_continued(data: PreparedData, host: Host, tmp_path: Path) -> None:
    with quiet():
        model_of(data).save_pretrained(tmp_path)
        TASK.write_processor(trial(), data, tmp_path)
    continued = config(TASK.facts.name, checkpoint=str(tmp_path))
    saved = model_of(data).state_dict()
    for seed in (1, 2):
        torch.manual_seed(seed)
        found = fresh_model(continued, data, host, CPU).state_dict()
        assert all(torch.equal(found[name], saved[name]) for name in saved)


def test_out_of_memory_halves_windows_and_changes_no_loss(
    data: PreparedData, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trial()
    whole = whole.model_copy(update={"model": whole.model.model_copy(update={"dropout": 0.0})})

    def losses() -> list[tuple[int, float, float]]:
        progress = [pause.progress for pause in run_trial(whole, str(data.folder), host)]
        return [(of.micro_batch_size, of.train_loss, of.metrics["log_loss"]) for of in progress]

    (expected,) = losses()
    backward = loop.Trainer._backward

    def tight(self: loop.Trainer, rows: np.ndarray) -> Any:
        if self.micro_batch_size > 2:
            raise torch.OutOfMemoryError("out of memory (pretended)")
        return backward(self, rows)

    monkeypatch.setattr(loop.Trainer, "_backward", tight)
    (halved,) = losses()
    assert (expected[0], halved[0]) == (8, 2)
    assert halved[1:] == pytest.approx(expected[1:], rel=1e-5)


def test_code_of_the_card_answers(data: PreparedData, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = model_of(data)
    model.config.update(TASK.tuned({}, {"spans": Ragged(values=np.zeros((1, 2)), offsets=np.array([0, 1]))}, trial()))
    with quiet():
        model.save_pretrained(tmp_path)
        TASK.write_processor(trial(), data, tmp_path)
    exec(TASK.usage(str(tmp_path), pairs=True), {})  # noqa: S102 - the code of the card is ours
    printed = capsys.readouterr().out.strip()
    question, context = "Where is the key?", "The key to the shed is under the third pot."
    examples: Encoded = TASK.predict_inputs([{"question": question, "context": context}], tmp_path, 40)
    outputs = answered(model, TASK, examples, np.arange(1), CPU, tmp_path)
    assert printed == TASK.located(TASK.predict(outputs, 0, ()), {"context": context})["answer"]
