"""Tiny architectures of many model types."""

from __future__ import annotations

from typing import Any

__all__ = ["KINDS", "OFTEN", "architecture_of"]

#: Sizes by the names that model types have for them.
_SIZES: dict[str, Any] = {
    **dict.fromkeys(
        ["hidden_size", "d_model", "n_embd", "dim", "emb_dim", "embedding_size", "word_embed_proj_dim"], 32
    ),
    **dict.fromkeys(["input_embedding_size", "output_embedding_size", "moe_intermediate_size"], 32),
    **dict.fromkeys(["intermediate_size", "d_inner", "hidden_dim", "d_ff", "ffn_dim"], 64),
    **dict.fromkeys(["encoder_ffn_dim", "decoder_ffn_dim", "max_position_embeddings", "n_positions"], 64),
    **dict.fromkeys(["num_hidden_layers", "n_layer", "n_layers", "num_layers", "encoder_layers", "decoder_layers"], 2),
    **dict.fromkeys(["num_attention_heads", "num_key_value_heads", "n_head", "n_heads", "num_heads"], 2),
    **dict.fromkeys(["encoder_attention_heads", "decoder_attention_heads", "num_local_experts", "num_experts"], 2),
    **dict.fromkeys(["head_dim", "d_head", "d_kv"], 16),
    "vocab_size": 200,
    "attention_window": 8,
    "num_experts_per_tok": 1,
}
#: What some model types need besides.
_OWN: dict[str, dict[str, Any]] = {
    "canine": {"num_hash_buckets": 64, "local_transformer_stride": 16, "type_vocab_size": 16},
    "esm": {"vocab_size": 200},
    "funnel": {"block_sizes": [1, 1], "num_decoder_layers": 1},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]], "window_size": 8},
    "gptj": {"rotary_dim": 8},
    "lilt": {"hidden_size": 48},
    "luke": {"entity_vocab_size": 20, "entity_emb_size": 8},
}
#: Those that differ most in how they pad, pool and read tokens.
OFTEN = ("canine", "deberta-v2", "fnet", "gpt2", "t5", "xlnet")
KINDS = (
    *OFTEN,
    *("albert", "bart", "bert", "big_bird", "biogpt", "bloom", "camembert", "convbert", "ctrl", "data2vec-text"),
    *("deberta", "distilbert", "electra", "ernie", "esm", "eurobert", "falcon", "flaubert", "funnel", "gemma"),
    *("gpt_neo", "gpt_neox", "gptj", "gte", "ibert", "layoutlm", "lilt", "llama", "longformer", "mbart"),
    *("megatron-bert", "mistral", "mixtral", "mobilebert", "modernbert", "mpnet", "mpt", "mra", "mt5", "nystromformer"),
    *("openai-gpt", "opt", "phi", "plbart", "qwen2", "qwen3", "rembert", "roberta", "roberta-prelayernorm"),
    *("roformer", "squeezebert", "stablelm", "umt5", "xlm", "xlm-roberta", "yoso"),
)


def architecture_of(kind: str) -> dict[str, Any]:
    """A tiny architecture of a model type, as a study has it."""
    from transformers import CONFIG_MAPPING

    has = CONFIG_MAPPING[kind]().to_dict()
    sizes = {name: size for name, size in _SIZES.items() if name in has and has[name] is not None}
    if kind == "falcon":
        sizes.pop("head_dim", None)
    return {"model_type": kind, **sizes, **_OWN.get(kind, {})}
