"""Builds an encoder-decoder of one checkpoint: as it is, or of two copies of an encoder."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from harness.errors import CheckpointError
from harness.spec.trial import TrialModel
from harness.tasks.models import build, lacking, mark_lacking, quiet

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

__all__ = ["build_encoder_decoder"]


def build_encoder_decoder(auto: str, model: TrialModel, settings: PreTrainedConfig) -> PreTrainedModel:
    """Returns the checkpoint by the auto class `auto`; of an encoder, such as BERT, an encoder-decoder of two copies.

    The second copy is the decoder: it gets attention to the encoder and a head, which each trial draws where the
    checkpoint lacks them.

    Raises:
        CheckpointError: it is neither, or lacks weights of an encoder-decoder.
    """
    with quiet():
        from transformers.models.auto import modeling_auto as known
    kind = settings.model_type
    if kind in known.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES:
        if not settings.is_encoder_decoder:
            raise CheckpointError(
                f"model.checkpoint: '{model.checkpoint}' is the encoder of a {kind} model alone; choose a whole one"
            )
        built = build(auto, model, settings)
        _refuse_half(model.checkpoint, built)
        return built
    is_encoder = not settings.is_encoder_decoder and not getattr(settings, "is_decoder", False)
    both = (known.MODEL_FOR_MASKED_LM_MAPPING_NAMES, known.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
    if not is_encoder or not all(kind in names for names in both):
        raise CheckpointError(
            f"model.checkpoint: '{model.checkpoint}': a {kind} model is no encoder-decoder (t5, bart, ...), and no "
            "encoder of which both halves of one can be made (bert, roberta, electra, ...); choose one of these"
        )
    return _pair(model, settings)


def _pair(model: TrialModel, settings: PreTrainedConfig) -> PreTrainedModel:
    decoder_settings = copy.deepcopy(settings)
    decoder_settings.is_decoder = decoder_settings.add_cross_attention = True
    encoder = build("AutoModel", model, settings)
    decoder = build("AutoModelForCausalLM", model, decoder_settings)
    with quiet():
        from transformers import EncoderDecoderModel

        try:
            pair: PreTrainedModel = EncoderDecoderModel(encoder=encoder, decoder=decoder)
        except ValueError as error:
            raise CheckpointError(
                f"model.checkpoint: '{model.checkpoint}': a {settings.model_type} model cannot be a decoder with an "
                f"encoder ({str(error)[:120]}); choose bert, roberta or electra"
            ) from error
    pair.config.vocab_size = settings.vocab_size
    mark_lacking(pair, {f"decoder.{name}" for name in lacking(decoder)})
    return pair


def _refuse_half(name: str, model: PreTrainedModel) -> None:
    """Raises CheckpointError for a checkpoint that has only one half of the model (T5EncoderModel)."""
    missing = lacking(model)
    if missing:
        raise CheckpointError(
            f"model.checkpoint: '{name}': {len(missing)} of {len(list(model.parameters()))} tensors of the "
            f"encoder-decoder are missing from its weights (such as {min(missing)}); choose a whole one"
        )
