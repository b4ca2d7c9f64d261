"""A sweep on weights that cannot be trained ends before its first trial: exit code 2, one line, no trial recorded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner

from harness.cli import app
from harness.data.checkpoints.folder import check_folder

SMOKE = Path(__file__).parents[2] / "studies" / "smoke.yaml"
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *map(chr, range(ord("a"), ord("z") + 1))]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A folder with a whole BERT of one layer and its vocabulary."""
    from transformers import BertConfig, BertModel, BertTokenizer

    folder = tmp_path / "tiny"
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
    )
    BertModel(config).save_pretrained(folder)
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS), encoding="utf-8")
    BertTokenizer(str(tmp_path / "vocab.txt")).save_pretrained(folder)
    check_folder("tiny", folder)
    return folder


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut_in_its_header(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def as_int8(path: Path) -> None:
    """Writes all matrices as 8-bit integers, and leaves config.json without a quantization_config."""
    tensors = load_file(path)
    save_file(
        {name: np.round(tensor * 100).astype(np.int8) if tensor.ndim == 2 else tensor
         for name, tensor in tensors.items()},
        path,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (cut_in_half, "model.safetensors is cut off: it has"),
        (cut_in_its_header, "model.safetensors is cut off: it has 100 bytes"),
        (as_int8, "model.safetensors is quantised ("),
    ],
)
def test_sweep_ends_before_its_first_trial(
    tmp_path: Path,
    checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[Path], None],
    said: str,
) -> None:
    spoil(checkpoint / "model.safetensors")
    monkeypatch.chdir(tmp_path)
    command = ["sweep", str(SMOKE), "name=broken", "model={checkpoint: tiny}", "--engine", "inline"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 2, done.output
    assert done.stderr.startswith(f"error: model.checkpoint: 'tiny': {said}")
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.glob("runs/*/trials/*"))
