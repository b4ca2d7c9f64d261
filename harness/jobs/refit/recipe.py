"""The recipe and the number of steps of a trial, for a training on more rows."""

from __future__ import annotations

from harness.errors import RunError
from harness.records.schema import TrialRecord, as_begun
from harness.spec.steps import num_batches, num_examples
from harness.spec.trial import TrialConfig

__all__ = ["refit_config"]


def refit_config(record: TrialRecord, num_rows: int) -> TrialConfig:
    """The config of a training on all `num_rows` rows that ends after the step of the trial's kept weights.

    Its learning rate rises and falls over as many steps as the trial's did, so that each of its steps has the rate that
    this step had.

    Raises:
        RunError: the trial was not trained to an evaluation whose weights may be kept.
    """
    if not record.history or record.best_step is None:
        raise RunError(f"trial {record.number} has no evaluation whose weights were kept, so nothing can be repeated")
    config, total = as_begun(record.config, record.history), record.history[-1].total_steps
    examples = num_examples(num_rows, None, len(config.data.augment))
    recipe = {"epochs": total / num_batches(examples, config.training.batch_size), "patience": None}
    return config.model_copy(
        update={
            "number": 0,
            "kind": "rerun",
            "of": config.of if config.of is not None else record.number,
            "data": config.data.model_copy(update={"train_rows": None}),
            "training": config.training.model_copy(update=recipe),
            "evaluate_at": (record.best_step / total,),
            "validation_rows": (None,),
            "rungs": (),
            "threads": (),
        }
    )
