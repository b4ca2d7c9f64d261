"""Measures what the trials of a study cost: a few steps of each kind of them, through the study's own engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.data.prepared import PreparedData
from harness.engines.open import open_engine
from harness.engines.precisions import Precisions
from harness.errors import StudyFailed
from harness.machine.slots import Slot
from harness.records.rundir import RunFolder
from harness.records.schema import TrialRecord, TrialState
from harness.search.fixed import FixedList
from harness.spec.configure import may_choose_precision
from harness.spec.steps import num_examples
from harness.spec.study import StudySpec
from harness.spec.trial import TrialConfig

__all__ = ["Cost", "measure"]

_TRIAL = "harness.trial:run_trial"
#: The first steps of a kind tell how many more make up so many seconds, which are then timed.
_FIRST_STEPS, _MIN_STEPS, _MAX_STEPS, _SECONDS = 12, 12, 1000, 4.0
_VALIDATION_ROWS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a kind of trial costs while every slot is busy: seconds to start, a training example, a validation row.

    `written_s` is the time of a row whose answer the model writes, 0 for other tasks. `examples` is the number of
    training examples in an epoch, `memory_mib` the peak of a worker (of a CPU), `parameters` those of the saved model.
    """

    start_s: float
    example_s: float
    row_s: float
    written_s: float
    saving_s: float
    examples: float
    memory_mib: float
    parameters: int


def measure(
    spec: StudySpec, data: PreparedData, kinds: Sequence[TrialConfig], slots: Sequence[Slot], *, writes: bool
) -> list[Cost]:
    """Returns the cost of each kind of trial; `writes` says that the task's models write their answers.

    Raises:
        StudyFailed: a trial of a kind cannot be run.
    """
    precisions = Precisions() if may_choose_precision(spec) else None
    with TemporaryDirectory(prefix="harness-plan-") as folder:
        run = RunFolder(Path(folder))
        with open_engine(spec, run, slots, warm=_TRIAL, precisions=precisions) as engine:

            def trained(steps: Sequence[int]) -> list[TrialRecord]:
                # Each kind in every slot, so that none has the machine to itself.
                short = [_short(kind, data, own) for kind, own in zip(kinds, steps, strict=True) for _ in slots]
                numbered = [config.model_copy(update={"number": number}) for number, config in enumerate(short)]
                source = FixedList(numbered)
                engine.run(source, str(data.folder), _TRIAL)
                return [source.records[number] for number in range(len(numbered))]

            first = trained([_FIRST_STEPS] * len(kinds))
            steps = [_steps_for(_same(first, at, len(slots))) for at in range(len(kinds))]
            records = trained(steps)
    return [_cost(_same(records, at, len(slots)), writes=writes) for at in range(len(kinds))]


def _same(records: Sequence[TrialRecord], kind: int, num_slots: int) -> list[TrialRecord]:
    return list(records[kind * num_slots : (kind + 1) * num_slots])


def _short(config: TrialConfig, data: PreparedData, steps: int) -> TrialConfig:
    """Returns the trial with `steps` steps, scored on a few rows at their end."""
    rows = num_examples(data.meta.rows["train"], config.data.train_rows, len(config.data.augment))
    per_epoch = -(-rows // config.training.batch_size)
    training = config.training.model_copy(update={"epochs": steps / per_epoch, "patience": None})
    few = {"evaluate_at": (1.0,), "validation_rows": (_VALIDATION_ROWS,), "rungs": ()}
    return config.model_copy(update={"training": training, "kind": "bench", **few})


def _steps_for(records: Sequence[TrialRecord]) -> int:
    cost = _cost(records, writes=False)
    batch = records[0].config.training.batch_size
    return min(_MAX_STEPS, max(_MIN_STEPS, round(_SECONDS / (cost.example_s * batch))))


def _cost(records: Sequence[TrialRecord], *, writes: bool) -> Cost:
    done = [record for record in records if record.state is TrialState.COMPLETE and record.usage.samples_per_second]
    if not done:
        raise StudyFailed(f"a trial of the study cannot be run: {records[0].message or 'it made no step that counts'}")
    usages, last = [record.usage for record in done], done[0].history[-1]
    rows = sum(usage.predict_samples for usage in usages)
    other_s = sum(max(0.0, usage.evaluation_s - usage.predict_s) for usage in usages)
    return Cost(
        start_s=min(usage.start_s for usage in usages),
        example_s=sum(usage.steady_s for usage in usages) / sum(usage.steady_samples for usage in usages),
        row_s=sum(usage.predict_s for usage in usages) / rows,
        written_s=other_s / rows if writes else 0.0,
        saving_s=sum(usage.saving_s for usage in usages) / len(usages),
        examples=last.step * done[0].config.training.batch_size / last.epoch,
        memory_mib=max(usage.peak_memory_mib for usage in usages),
        parameters=last.num_parameters,
    )
