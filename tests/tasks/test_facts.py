from __future__ import annotations

from harness.spec.tasks import TASKS as FACTS
from harness.tasks import TASKS


def test_every_task_has_facts_and_every_fact_a_task() -> None:
    assert list(TASKS) == list(FACTS)
