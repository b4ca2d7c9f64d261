from __future__ import annotations

from typing import Any

from harness.engines.inline import InlineEngine
from harness.engines.protocol import Engine
from harness.records.rundir import RunFolder
from harness.testing.engines import EngineContract, make_slots
from harness.testing.fakes import TRIAL, config, diary
from harness.testing.source import FakeSource


class TestInlineEngine(EngineContract):
    many = 1

    def make_engine(self, run: RunFolder, slots: int = 1, **options: Any) -> Engine:
        return InlineEngine(run, make_slots(1)[0], **options)


def test_inline_cache_outlives_runs(run: RunFolder, data: str) -> None:
    engine = InlineEngine(run, make_slots(1)[0])
    engine.run(FakeSource([config(0)]), data, TRIAL)
    engine.run(FakeSource([config(1)]), data, TRIAL)
    assert [words[2] for words in diary(data, "start")] == ["1", "2"]
