"""Tiny architectures, a small table, and trials of them."""

from __future__ import annotations

from typing import Any

from harness.spec.trial import TrialConfig, TrialData, TrialModel, TrialTraining

_BERT = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "bert": {**_BERT, "vocab_size": 200, "max_position_embeddings": 40},
    "roberta": {**_BERT, "vocab_size": 200, "max_position_embeddings": 40},
    "distilbert": {
        "dim": 16, "n_layers": 3, "n_heads": 2, "hidden_dim": 32, "vocab_size": 200, "max_position_embeddings": 40
    },
    "gpt2": {"n_embd": 16, "n_layer": 3, "n_head": 2, "vocab_size": 200, "n_positions": 40},
    "t5": {"d_model": 16, "num_layers": 3, "num_heads": 2, "d_ff": 32, "d_kv": 8, "vocab_size": 200},
}  # fmt: skip
VIT = {**_BERT, "model_type": "vit", "patch_size": 2}

SUBJECTS = ["tea", "coffee", "the green soup", "a bowl of hot noodles", "bread", "the cake that my sister made"]
VERBS = {
    "good": ["pleased me", "was a joy", "won me over"],
    "bad": ["was cold", "let me down, twice", "went in the bin"],
}


def architecture(family: str) -> dict[str, Any]:
    return {"model_type": family, **ARCHITECTURES[family]}


def config(task: str = "text-classification", *, data: dict[str, Any] | None = None, **model: Any) -> TrialConfig:
    """A trial of `model` (checkpoint or architecture, layers, ...)."""
    if "architecture" in model:
        model = {"checkpoint": "scratch", **model}
    return TrialConfig(
        number=0,
        task=task,
        data=TrialData(**(data or {})),
        model=TrialModel(**model),
        training=TrialTraining(
            learning_rate=1e-3, batch_size=8, epochs=1, weight_decay=0, warmup_fraction=0, schedule="linear",
            precision="fp32", max_grad_norm=1, label_smoothing=0, class_weights="none", accumulation_steps=1, seed=0,
        ),
    )  # fmt: skip


def texts() -> list[tuple[str, str]]:
    return [
        (f"{subject} {verb}{end}", label)
        for label, verbs in VERBS.items()
        for verb in verbs
        for subject in SUBJECTS
        for end in (".", " on my birthday in the cold month of May")
    ]


RT_DETR: dict[str, Any] = {
    "model_type": "rt_detr", "d_model": 32, "encoder_hidden_dim": 32, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32,
    "encoder_attention_heads": 2, "decoder_attention_heads": 2, "decoder_layers": 2, "decoder_n_points": 2,
    "num_queries": 20, "num_denoising": 10, "hidden_expansion": 0.5, "freeze_backbone_batch_norms": False,
    "encoder_in_channels": [16, 24, 32], "decoder_in_channels": [32, 32, 32],
    "backbone_config": {
        "model_type": "rt_detr_resnet", "embedding_size": 8, "hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1],
        "layer_type": "basic", "out_features": ["stage2", "stage3", "stage4"],
    },
}  # fmt: skip
