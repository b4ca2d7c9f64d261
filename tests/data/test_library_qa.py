"""The bundled questions about a library keep what their card promises."""

from __future__ import annotations

import json
from pathlib import Path

from harness.data.clean import normalised

DATA = Path(__file__).parents[2] / "studies" / "data" / "library_qa"
SPLITS = {
    name: [json.loads(line) for line in (DATA / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
    for name in ("train", "validation", "test")
}


def test_each_fact_is_asked_in_three_ways_in_train_and_in_one_of_each_other_split() -> None:
    facts = {row["fact"] for row in SPLITS["train"]}
    assert len(facts) == 76
    for name, times in (("train", 3), ("validation", 1), ("test", 1)):
        asked = [row["fact"] for row in SPLITS[name]]
        assert {fact: asked.count(fact) for fact in set(asked)} == dict.fromkeys(facts, times), name


def test_a_fact_has_one_answer_and_an_answer_one_fact() -> None:
    pairs = {(row["fact"], row["answer"]) for rows in SPLITS.values() for row in rows}
    assert len(pairs) == len({fact for fact, _ in pairs}) == len({answer for _, answer in pairs}) == 76


def test_no_question_is_asked_twice() -> None:
    questions = [normalised(row["question"]).strip("?. ") for rows in SPLITS.values() for row in rows]
    assert len(questions) == len(set(questions)) == 380
