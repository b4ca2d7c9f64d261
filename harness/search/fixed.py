"""A fixed list of trials as a source, each run to its end: for confirmation, a rerun or a benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.errors import FailReason
from harness.records.rundir import RunFolder
from harness.records.schema import Progress, TrialRecord, TrialState, record_of, with_earlier
from harness.records.store import StudyStore, sound
from harness.search.source import Decision
from harness.spec.trial import TrialConfig

__all__ = ["FixedList"]


class FixedList:
    """A `TrialSource` over `configs`, in their order.

    With a `store`, its ended trials are not run again: a config that trains the same model as a stored trial gets the
    number of that trial, and every other config the next free number. Without a store the configs keep their numbers
    and the records are in `records` only.
    """

    def __init__(
        self,
        configs: Sequence[TrialConfig],
        store: StudyStore | None = None,
        run: RunFolder | None = None,
        *,
        keep: bool = True,
    ) -> None:
        """`run` is the folder that holds snapshots; with `keep` the engine saves the weights of every trial."""
        self._store, self._run, self._keep = store, run, keep
        self._histories: dict[int, list[Progress]] = {}
        self.records: dict[int, TrialRecord] = {}
        self.configs: tuple[TrialConfig, ...] = tuple(configs) if store is None else self._numbered(store, configs)
        self._queue = [config for config in self.configs if config.number not in self.records]

    def _numbered(self, store: StudyStore, configs: Sequence[TrialConfig]) -> tuple[TrialConfig, ...]:
        stored = store.load()
        number_of = {_content(trial.config): trial.number for trial in stored}
        free = len(stored)
        numbered = []
        for config in configs:
            number = number_of.setdefault(_content(config), free)
            free += number == free
            numbered.append(config.model_copy(update={"number": number}))
        numbers = {config.number for config in numbered}
        for trial in stored:
            self._histories[trial.number] = list(trial.record.history)
            if trial.record.state.ended:
                self.records[trial.number] = trial.record if trial.state.ended else store.end(trial.record)
            elif trial.number not in numbers:
                self.records[trial.number] = store.end(_abandoned(trial.record))
        return tuple(numbered)

    @property
    def is_done(self) -> bool:
        """True when every config's trial has ended."""
        return all(config.number in self.records for config in self.configs)

    @property
    def num_trials(self) -> int:
        """The number of trials in the list or in the store, which may hold those of an earlier list."""
        return len({config.number for config in self.configs} | self.records.keys())

    def next(self) -> TrialConfig | None:
        if not self._queue:
            return None
        config = self._queue.pop(0)
        if self._store is not None and config.number not in self._histories:
            self._store.create(config)
        self._histories.setdefault(config.number, [])
        return config

    def decide(self, number: int, progress: Progress) -> Decision:
        history = self._histories[number]
        if not history or progress.step > history[-1].step:
            history.append(progress)
            if self._store is not None:
                self._store.report(number, progress)
        return Decision.GO

    def replace_history(self, number: int, history: Sequence[Progress]) -> None:
        self._histories[number] = list(history)
        if self._store is not None:
            self._store.rewrite(number, history)

    def dropped(self) -> list[int]:
        return []

    def keep(self, number: int, progress: Progress) -> bool:
        return self._keep

    def resume_from(self, number: int) -> tuple[Path | None, list[Progress]]:
        config = next(config for config in self.configs if config.number == number)
        if self._run is None or not self._histories[number]:
            return None, []
        return self._run.snapshot(config.kind, number)

    def end(self, record: TrialRecord) -> TrialRecord:
        record = with_earlier(record, self._histories[record.number])
        record = sound(record) if self._store is None else self._store.end(record)
        self.records[record.number] = record
        return record


def _content(config: TrialConfig) -> str:
    """Returns a text that is equal for configs that run the same trial with the same seed."""
    return config.model_dump_json(exclude={"number"})


def _abandoned(record: TrialRecord) -> TrialRecord:
    """Returns the record of a trial that had not ended and is no longer in the list."""
    message = "no longer among those to be run"
    return record_of(record.config, TrialState.FAIL, record.history, reason=FailReason.STOPPED, message=message)
