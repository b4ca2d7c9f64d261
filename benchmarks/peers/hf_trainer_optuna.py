"""What a user would pick instead of us: `Trainer.hyperparameter_search` on its Optuna backend, the whole job.

Usage: python benchmarks/peers/hf_trainer_optuna.py DATA CHECKPOINT [--trials 16] [--epochs 3] [--rows 2000] [--tuned]

It searches learning rate and batch size, takes the best on validation, trains it once more (the search keeps no model),
saves model and tokenizer, and scores test once. `--tuned` is the expert's setting. Needs: pip install '.[peers]'
"""

from __future__ import annotations

import time

BEGAN = time.perf_counter()

import sys  # noqa: E402
import tempfile  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import TYPE_CHECKING  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from peers.tables import quiet, read_tables, say, usual_options  # noqa: E402

if TYPE_CHECKING:
    import optuna

BATCH_SIZES = [8, 16, 32]


def space(trial: optuna.Trial) -> dict[str, float]:
    """The same as the study file's: learning rate x batch size."""
    return {
        "learning_rate": trial.suggest_float("learning_rate", 1e-5, 5e-4, log=True),
        "per_device_train_batch_size": trial.suggest_categorical("per_device_train_batch_size", BATCH_SIZES),
    }


def main() -> None:
    parser = usual_options(__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--tuned", action="store_true", help="length grouping and bf16")
    asked = parser.parse_args()
    quiet()
    import optuna
    from peers.trainer import Peer

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    tables = read_tables(asked.data, asked.rows)
    with tempfile.TemporaryDirectory(prefix="hf-search-") as folder:
        peer = Peer(tables, asked.checkpoint, max_length=asked.max_length, folder=Path(folder), tuned=asked.tuned)
        best = peer.build(asked.epochs).hyperparameter_search(
            hp_space=space,
            backend="optuna",
            n_trials=asked.trials,
            direction="maximize",
            compute_objective=lambda metrics: metrics["eval_accuracy"],
            sampler=optuna.samplers.TPESampler(seed=0),
        )
        search_s = time.perf_counter() - BEGAN
        # A new Trainer: one that is used again keeps the batch size that it was built with.
        winner = peer.build(asked.epochs, best.hyperparameters)
        winner.train()
        winner.save_model(f"{folder}/best")
        peer.tokenizer.save_pretrained(f"{folder}/best")
        test = winner.predict(peer.test).metrics
        result = {
            "peer": "hf-trainer-optuna" + ("-tuned" if asked.tuned else ""),
            "trials": asked.trials,
            "epochs": asked.epochs,
            "train_rows": len(tables.train),
            "validation_rows": len(tables.valid),
            "search_s": search_s,
            "total_s": time.perf_counter() - BEGAN,
            "best": best.hyperparameters,
            "validation_accuracy": best.objective,
            "test_accuracy": test["test_accuracy"],
        }
    say(result, asked.out)


if __name__ == "__main__":
    main()
