"""The loop of the usual tutorial: every text padded to the full length, shuffled batches, AdamW in fp32.

Usage: python benchmarks/peers/tutorial_loop.py DATA CHECKPOINT [--batch-size 32] [--max-steps N]
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from peers.tables import SEED, quiet, read_tables, say, usual_options


def main() -> None:
    parser = usual_options(__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--learning-rate", type=float, default=1.5e-4)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--max-steps", type=int, default=-1, help="stop after so many; -1: train to the end")
    asked = parser.parse_args()
    quiet()
    import torch
    from torch.utils.data import DataLoader, TensorDataset
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, get_linear_schedule_with_warmup

    torch.manual_seed(SEED)
    device = torch.accelerator.current_accelerator() or torch.device("cpu")
    tables = read_tables(asked.data, asked.rows)
    tokenizer = AutoTokenizer.from_pretrained(asked.checkpoint)

    def batches(split: str, *, shuffle: bool) -> DataLoader[tuple[torch.Tensor, ...]]:
        frame = getattr(tables, split)
        encoded = tokenizer(
            frame["text"].tolist(),
            padding="max_length",
            truncation=True,
            max_length=asked.max_length,
            return_tensors="pt",
        )
        rows = TensorDataset(encoded["input_ids"], encoded["attention_mask"], torch.tensor(tables.ids(frame)))
        return DataLoader(rows, batch_size=asked.batch_size, shuffle=shuffle)

    train = batches("train", shuffle=True)
    model = AutoModelForSequenceClassification.from_pretrained(asked.checkpoint, num_labels=len(tables.labels))
    model.to(device)
    optimiser = torch.optim.AdamW(model.parameters(), lr=asked.learning_rate)
    whole = len(train) * asked.epochs
    schedule = get_linear_schedule_with_warmup(optimiser, 0, whole)
    steps, samples, began = 0, 0, time.perf_counter()
    model.train()
    for _ in range(asked.epochs):
        for ids, mask, labels in train:
            if steps == asked.max_steps:
                break
            loss = model(input_ids=ids.to(device), attention_mask=mask.to(device), labels=labels.to(device)).loss
            loss.backward()
            optimiser.step()
            schedule.step()
            optimiser.zero_grad()
            loss.item()
            steps, samples = steps + 1, samples + len(ids)
    train_s = time.perf_counter() - began

    accuracy = None
    if asked.max_steps < 0:
        model.eval()
        right = 0
        with torch.no_grad():
            for ids, mask, labels in batches("valid", shuffle=False):
                logits = model(input_ids=ids.to(device), attention_mask=mask.to(device)).logits
                right += int((logits.argmax(-1).cpu() == labels).sum())
        accuracy = right / len(tables.valid)
    result = {
        "peer": "tutorial-loop",
        "train_rows": len(tables.train),
        "steps": steps,
        "train_s": train_s,
        "samples_per_second": samples / train_s,
        "validation_accuracy": accuracy,
    }
    say(result, asked.out)


if __name__ == "__main__":
    main()
