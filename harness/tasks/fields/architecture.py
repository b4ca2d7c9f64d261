"""A model of categories and numbers: embeddings, a factorisation machine and a multi-layer perceptron (DeepFM).

Importing this module tells transformers' auto classes the model type `fields`.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from huggingface_hub.dataclasses import strict
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

__all__ = ["FieldsConfig", "FieldsForSequenceClassification"]


@strict
class FieldsConfig(PreTrainedConfig):  # type: ignore[misc]
    """The configuration of such a model; `vocab_size`, `slots` and `log_odds` follow from the data.

    `slots` are how many ids each column has in a row, `user_slots` says of each slot whether it belongs to the user,
    and `log_odds` are those of a click where nothing else is known.
    """

    model_type = "fields"

    vocab_size: int = 1
    slots: list[int] | tuple[int, ...] = (1,)
    user_slots: list[bool] | tuple[bool, ...] = (False,)
    hidden_size: int = 16
    num_hidden_layers: int = 2
    intermediate_size: int = 64
    hidden_dropout_prob: float | int = 0.0
    initializer_range: float = 0.01
    log_odds: float = 0.0


class FieldsPreTrainedModel(PreTrainedModel):  # type: ignore[misc]
    """Draws the weights: small embeddings, layers that keep the spread of what they read."""

    config: FieldsConfig
    config_class = FieldsConfig
    base_model_prefix = "fields"
    main_input_name = "input_ids"

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        from transformers import initialization

        super()._init_weights(module)
        if isinstance(module, nn.Linear):
            initialization.kaiming_uniform_(module.weight, a=5**0.5)
            if module.out_features == 1:
                initialization.constant_(module.bias, self.config.log_odds)


class FieldsModel(FieldsPreTrainedModel):
    """Embeddings of the ids of a row, and what their products and the layers above make of them.

    The vector of a column is the sum of its ids' vectors times their weights; id 0 has the vector 0 and is never
    learned, so that what is not known changes nothing.
    """

    def __init__(self, config: FieldsConfig) -> None:
        super().__init__(config)
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size, padding_idx=0)
        self.biases = nn.Embedding(config.vocab_size, 1, padding_idx=0)
        widths = [len(config.slots) * config.hidden_size, *[config.intermediate_size] * config.num_hidden_layers]
        self.layers = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(widths))
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """Returns the vectors of the ids."""
        return self.word_embeddings

    def forward(self, input_ids: torch.Tensor, input_weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns the hidden state [rows, width], and the logit of single ids and of their pairs [rows].

        Args:
            input_ids: int64 [rows, slots].
            input_weights: [rows, slots]: 1, or less where several ids share a column, or a number; 0 for an empty slot.
        """
        weights = input_weights[..., None]
        vectors = self.word_embeddings(input_ids) * weights
        if input_ids.shape[1] > len(self.config.slots):
            vectors = torch.stack([part.sum(1) for part in vectors.split(list(self.config.slots), dim=1)], dim=1)
        single = (self.biases(input_ids) * weights).sum((1, 2))
        pairs = (vectors.sum(1) ** 2 - (vectors**2).sum(1)).sum(1) / 2
        hidden = self.dropout(vectors.flatten(1))
        for layer in self.layers:
            hidden = self.dropout(torch.relu(layer(hidden)))
        return hidden, single + pairs


class FieldsForSequenceClassification(FieldsPreTrainedModel):
    """The logits of no click, which is 0, and of a click."""

    def __init__(self, config: FieldsConfig) -> None:
        super().__init__(config)
        self.fields = FieldsModel(config)
        width = config.intermediate_size if config.num_hidden_layers else len(config.slots) * config.hidden_size
        self.classifier = nn.Linear(width, 1)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """Returns the vectors of the ids."""
        return self.fields.get_input_embeddings()

    def forward(self, input_ids: torch.Tensor, input_weights: torch.Tensor, **_: object) -> SequenceClassifierOutput:
        """Returns `logits` [rows, 2]; the inputs are those of `FieldsModel`."""
        hidden, logit = self.fields(input_ids, input_weights)
        click = self.classifier(hidden)[:, 0] + logit
        return SequenceClassifierOutput(logits=torch.stack([torch.zeros_like(click), click], dim=1))


AutoConfig.register("fields", FieldsConfig)
AutoModelForSequenceClassification.register(FieldsConfig, FieldsForSequenceClassification)
