"""What other tools call the keys of a study: transformers' `TrainingArguments` and scripts, PEFT, Optuna, Ray Tune."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["OTHER_KEYS", "other_key"]

#: What to write instead, by the other tool's key.
OTHER_KEYS: Mapping[str, str] = {
    "num_train_epochs": "training.epochs",
    "num_epochs": "training.epochs",
    "max_epochs": "training.epochs",
    "per_device_train_batch_size": "training.batch_size",
    "per_gpu_train_batch_size": "training.batch_size",
    "train_batch_size": "training.batch_size",
    "gradient_accumulation_steps": "training.accumulation_steps",
    "warmup_ratio": "training.warmup_fraction",
    "warmup_proportion": "training.warmup_fraction",
    "warmup_steps": "training.warmup_fraction, a share of the steps",
    "max_steps": "training.epochs; fractions are allowed",
    "lr_scheduler_type": "training.schedule",
    "lr_scheduler": "training.schedule",
    "scheduler": "training.schedule",
    "optim": "training.optimizer",
    "optimiser": "training.optimizer",
    "label_smoothing_factor": "training.label_smoothing",
    "gradient_clip_val": "training.max_grad_norm",
    "max_norm": "training.max_grad_norm",
    "fp16": "training.precision: fp16",
    "bf16": "training.precision: bf16",
    "mixed_precision": "training.precision",
    "dtype": "training.precision",
    "torch_dtype": "training.precision",
    "model_name_or_path": "model.checkpoint",
    "model_name": "model.checkpoint",
    "pretrained_model_name_or_path": "model.checkpoint",
    "base_model": "model.checkpoint",
    "num_hidden_layers": "model.layers",
    "hidden_dropout_prob": "model.dropout",
    "max_seq_length": "data.max_length",
    "max_seq_len": "data.max_length",
    "model_max_length": "data.max_length",
    "max_train_samples": "data.train_rows",
    "train_file": "data.path",
    "data_path": "data.path",
    "csv": "data.path",
    "dataset_name": "data.hub: {id: ..., revision: ...}",
    "dataset": "data.path, or data.hub",
    "text_column": "data.text",
    "text_column_name": "data.text",
    "label_column": "data.label",
    "label_column_name": "data.label",
    "target_column": "data.label",
    "metric_for_best_model": "search.objectives: [...]",
    "metric": "search.objectives: [...]",
    "objective": "search.objectives: [...]",
    "direction": "search.objectives: [...], whose metrics know their direction",
    "greater_is_better": "search.objectives: [...], whose metrics know their direction",
    "n_trials": "search.trials",
    "num_trials": "search.trials",
    "num_samples": "search.trials",
    "timeout": "budget.minutes",
    "n_jobs": "engine.slots_per_device",
    "max_concurrent_trials": "engine.max_concurrent",
    "output_dir": "name, with --runs DIR on the command line",
    "run_name": "name",
    "report_to": "loggers",
    "eval_steps": "training.evaluations_per_epoch",
    "eval_strategy": "training.evaluations_per_epoch",
    "evaluation_strategy": "training.evaluations_per_epoch",
    "problem_type": "task",
    "task_name": "task",
}


def other_key(key: str) -> str | None:
    """Returns what a study says for the key of another tool: `num_train_epochs` -> `training.epochs`; else None."""
    return OTHER_KEYS.get(key.lower().replace("-", "_"))
