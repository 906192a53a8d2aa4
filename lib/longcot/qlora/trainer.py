"""transformers' Trainer for LoRA adapters on long traces: same losses and gradients, less memory and time."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from transformers import Trainer

from longcot.models.head import head_of
from longcot.qlora.keeping import ROWS
from longcot.qlora.own_layers import OwnLayers, own_layers, padded
from longcot.qlora.recomputation import Layers, fits, recomputing
from longcot.qlora.room import is_out_of_memory, may_be_the_host, take_room
from longcot.qlora.tokens import IGNORED

log = logging.getLogger(__name__)


def joined(rows: list[dict[str, list[int]]]) -> dict[str, Any]:
    """A step's traces one after another: `input_ids` and `labels` (1, tokens), and `lengths` in tokens."""
    return {
        "input_ids": torch.tensor([[token for row in rows for token in row["input_ids"]]]),
        "labels": torch.tensor([[label for row in rows for label in (IGNORED, *row["labels"][1:])]]),
        "lengths": [len(row["input_ids"]) for row in rows],
    }


class LoggingTrainer(Trainer):
    """A Trainer that logs with the loss of a step how many of its learnt tokens were the model's first choice.

    `token_accuracy`, a fraction of 1, of the model as it was before the step.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.first_choices: list[Tensor] = []  # of the tokens since the last log: right ones, and all

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """Not counted: it goes through all parameters in each step, for a figure that nobody reads."""
        return 0

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """As the Trainer's own."""
        loss, outputs = super().compute_loss(model, inputs, True, num_items_in_batch)
        labels = inputs["labels"][:, 1:]
        choices = outputs["logits"].detach()[:, :-1].argmax(-1)
        self.count_choices([(choices == labels).sum()], labels)
        return (loss, outputs) if return_outputs else loss

    def count_choices(self, right: list[Tensor], labels: Tensor) -> None:
        """Count so many right first choices among these labels."""
        self.first_choices.append(torch.stack([torch.stack(right).sum(), (labels != IGNORED).sum()]))

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """As the Trainer's own."""
        if "loss" in logs and self.first_choices:
            right, seen = torch.stack(self.first_choices).sum(0).tolist()
            logs["token_accuracy"] = round(right / seen, 4)
        self.first_choices = []
        super().log(logs, start_time)


class AdapterTrainer(LoggingTrainer):
    """A Trainer on batches that are `joined`, with layers that are `recomputing`, or its `own_layers` if unknown.

    Traces of a step go through the layers together, each attending to itself, while all that they need for the backward
    pass has room on the GPU, and else one by one. The loss never makes all logits at once.
    """

    layers: Layers | OwnLayers

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """As the Trainer's own."""
        lengths = sorted((len(row["input_ids"]) for row in self.train_dataset), reverse=True)
        lengths = lengths[: self.args.per_device_train_batch_size]
        if fits(self.model):
            with recomputing(self.model) as self.layers:
                take_room(self.layers, self.model, lengths)
                return super().train(*args, **kwargs)
        with own_layers(self.model) as self.layers:
            self.layers.take_room(lengths, self.accelerator.autocast)
            return super().train(*args, **kwargs)

    def training_step(self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Tensor:
        """As the Trainer's own, in as many passes as it takes; once more, with less kept, where memory runs out."""
        count = (inputs["labels"] != IGNORED).sum() if num_items_in_batch is None else num_items_in_batch
        step = super().training_step
        while True:
            try:
                return torch.stack([step(model, part, count) for part in self._parts(inputs)]).sum()
            except RuntimeError as error:
                if not is_out_of_memory(error) or not self.layers.less(may_be_the_host(error)):
                    raise
                log.warning("once more, with less kept: %s", str(error).partition("\n")[0])
            model.zero_grad()  # all of it is this step's
            self.first_choices = []
            torch.cuda.empty_cache()

    def _parts(self, inputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The traces of a step in passes of as many tokens as may go through together, or of one trace."""
        start = 0
        for lengths in passes(inputs["lengths"], self.layers.together, self.layers.padded):
            part = slice(start, start + sum(lengths))
            yield {key: inputs[key][:, part] for key in ("input_ids", "labels")} | {"lengths": lengths}
            start = part.stop

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Tensor:
        """The cross-entropy of the labelled tokens, summed and divided by the step's number of them."""
        base, lengths = self.model.get_base_model(), inputs["lengths"]
        ids, labels, head = inputs["input_ids"], inputs["labels"][:, 1:], base.get_output_embeddings()
        right: list[Tensor] = []
        if isinstance(self.layers, Layers):
            places = torch.cat([torch.arange(length, device=ids.device) for length in lengths])[None]
            # A mask in four dimensions is taken as it is, and the layers know from the lengths who reads whom.
            mask = torch.ones((1, 1, 1, 1), dtype=torch.bool, device=ids.device) if self.layers.begin(lengths) else None
            hidden = base.get_decoder()(ids, attention_mask=mask, position_ids=places, use_cache=False)[0]
            if any(weights.requires_grad for weights in head.parameters()):
                total = summed_loss(hidden[:, :-1], labels, head, right)
            else:
                total = frozen_head_loss(hidden[:, :-1], labels, head.weight, right)
        else:
            with self.accelerator.autocast():
                rows, mask = padded(ids, lengths)
                output = base.get_decoder()(rows, attention_mask=mask, use_cache=False)
                hidden = output.last_hidden_state
                hidden = hidden if mask is None else hidden[mask.bool()][None]
                states, logits = hidden[:, :-1], head_of(base, output)
                if self.layers.plain_head(logits, hidden[0, :2]):
                    total = frozen_head_loss(states.to(head.weight.dtype), labels, head.weight, right)
                else:
                    total = summed_loss(states, labels, logits, right)
        self.count_choices(right, labels)
        return total / num_items_in_batch


def passes(lengths: list[int], most: int, padded: bool = False) -> list[list[int]]:
    """The lengths in their order, in groups whose sum (`padded` to the longest) is at most `most`, or of one."""
    groups: list[list[int]] = []
    for length in lengths:
        group = [*groups[-1], length] if groups else []
        if groups and (max(group) * len(group) if padded else sum(group)) <= most:
            groups[-1] = group
        else:
            groups.append([length])
    return groups


def summed_loss(
    hidden: Tensor, labels: Tensor, head: Callable[[Tensor], Tensor], right: list[Tensor] | None = None
) -> Tensor:
    """The cross-entropy in fp32, summed over the tokens whose label is not `IGNORED`.

    `hidden` (batch, tokens, width) are the last states, each of which predicts its label of `labels` (batch, tokens);
    `head` makes logits of them. They are made for `ROWS` tokens at a time, and again in the backward pass. To `right`
    is added how many labels have the largest logit.
    """
    losses = []
    for part in _counted(hidden, labels):
        loss, first = checkpoint(_loss, *part, head, use_reentrant=False)
        losses.append(loss)
        if right is not None:
            right.append(first)
    return torch.stack(losses).sum()


def frozen_head_loss(hidden: Tensor, labels: Tensor, weight: Tensor, right: list[Tensor] | None = None) -> Tensor:
    """The same of a head that is one frozen matrix (vocabulary, width): logits are made once."""
    return torch.stack([_FrozenHeadLoss.apply(*part, weight, right) for part in _counted(hidden, labels)]).sum()


class _FrozenHeadLoss(torch.autograd.Function):
    """The loss of some rows, and with it their gradient, softmax less one at the target times the matrix."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, targets: Tensor, weight: Tensor, right: list[Tensor] | None) -> Tensor:
        with torch.autocast(rows.device.type, enabled=False):
            logits = F.linear(rows, weight).float()
            normalizer, at = logits.logsumexp(1), torch.arange(len(rows), device=rows.device)
            loss = (normalizer - logits[at, targets]).sum()
            if right is not None:
                right.append((logits.argmax(1) == targets).sum())
            logits.sub_(normalizer[:, None]).exp_()
            logits[at, targets] -= 1
            ctx.save_for_backward(logits.to(rows.dtype) @ weight)
        return loss

    @staticmethod
    def backward(ctx: Any, grad: Tensor):
        return (ctx.saved_tensors[0] * grad).to(ctx.saved_tensors[0].dtype), None, None, None


def _counted(hidden: Tensor, labels: Tensor) -> list[tuple[Tensor, Tensor]]:
    counted = labels != IGNORED
    return list(zip(hidden[counted].split(ROWS), labels[counted].split(ROWS), strict=True))


def _loss(rows: Tensor, targets: Tensor, head: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    logits = head(rows).float()
    return F.cross_entropy(logits, targets, reduction="sum"), (logits.detach().argmax(1) == targets).sum()
