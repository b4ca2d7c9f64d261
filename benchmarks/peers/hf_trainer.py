"""One training with Hugging Face's Trainer, not interrupted by evaluation: how many samples a second, and how good.

Usage: python benchmarks/peers/hf_trainer.py DATA CHECKPOINT [--learning-rate 1.5e-4] [--batch-size 32] [--tuned]

Needs: pip install '.[peers]'
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from peers.tables import quiet, read_tables, say, usual_options


def main() -> None:
    parser = usual_options(__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--learning-rate", type=float, default=1.5e-4)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--max-steps", type=int, default=-1, help="stop after so many; -1: train to the end")
    parser.add_argument("--tuned", action="store_true", help="length grouping and bf16")
    asked = parser.parse_args()
    quiet()
    from peers.trainer import Peer

    tables = read_tables(asked.data, asked.rows)
    recipe = {"learning_rate": asked.learning_rate, "per_device_train_batch_size": asked.batch_size}
    with tempfile.TemporaryDirectory(prefix="hf-train-") as folder:
        peer = Peer(tables, asked.checkpoint, max_length=asked.max_length, folder=Path(folder), tuned=asked.tuned)
        trainer = peer.build(asked.epochs, recipe, eval_strategy="no", max_steps=asked.max_steps)
        trained = trainer.train().metrics
        steps = trainer.state.global_step
        whole = len(tables.train) * asked.epochs
        result = {
            "peer": "hf-trainer" + ("-tuned" if asked.tuned else ""),
            "train_rows": len(tables.train),
            "steps": steps,
            "train_s": trained["train_runtime"],
            "samples_per_second": min(steps * asked.batch_size, whole) / trained["train_runtime"],
            "validation_accuracy": trainer.evaluate()["eval_accuracy"] if asked.max_steps < 0 else None,
        }
    say(result, asked.out)


if __name__ == "__main__":
    main()
