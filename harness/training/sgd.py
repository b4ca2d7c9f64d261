"""SGD with decoupled weight decay, which torch does not have."""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["DecoupledSGD"]


class DecoupledSGD(torch.optim.SGD):
    """SGD whose weight decay shrinks the weights and is no part of the gradients (Loshchilov and Hutter 2019, SGDW)."""

    def __init__(self, groups: list[dict[str, Any]], lr: float, momentum: float) -> None:
        decoupled = [{**group, "weight_decay": 0.0, "decoupled_decay": group["weight_decay"]} for group in groups]
        super().__init__(decoupled, lr=lr, momentum=momentum)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Makes one step."""
        for group in self.param_groups:
            if group["decoupled_decay"]:
                torch._foreach_mul_(group["params"], 1 - group["lr"] * group["decoupled_decay"])
        return super().step(closure)
