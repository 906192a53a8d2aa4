"""Decoder layers whose backward pass is by hand: what it needs is kept where `keeping` plans, or computed again.

The attention part goes as a whole, the MLP in tiles of tokens, since its tensors are several times as wide. The 4-bit
weights of a layer are dequantized once for each pass, and used for all tiles, the recomputation and the gradient. What
is computed is what PEFT and transformers compute.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor, nn
from transformers import PretrainedConfig

from longcot.qlora.attention import Attention, Places, attend
from longcot.qlora.host_stash import HostStash, Named
from longcot.qlora.keeping import INPUT, Plan, Shape, plan
from longcot.qlora.layer import Front, Parts, mlp_backward, rms_norm

KNOWN = ("llama", "mistral", "qwen2", "qwen3")  # whose layers are: norm, attention, added; norm, MLP, added
LITTLE = 4e9  # bytes


def knows(config: PretrainedConfig) -> bool:
    """Whether the layers of a base of this configuration are of the Llama family's structure."""
    rope = getattr(config, "rope_parameters", None) or {}
    odd = getattr(config, "attention_dropout", 0) or rope.get("partial_rotary_factor", 1) != 1
    return config.model_type in KNOWN and not odd


def fits(model: PeftModel) -> bool:
    """Whether these layers compute what `model` trains: its base is known, and LoRA's matrices alone change in it."""
    base = model.get_base_model()
    if not knows(base.config):
        return False
    return all("lora_" in name for name, own in base.get_decoder().layers.named_parameters() if own.requires_grad)


class Layers:
    """The layers of a model in training: the plan of what they keep, and what they have kept.

    `card` and `host` are the bytes for what is kept, beside the model; they may be set at any time. `together` are the
    tokens of several traces that may go through in one pass.
    """

    padded = False

    def __init__(self, model: PeftModel):
        self.modules = model.get_base_model().get_decoder().layers
        config, size = model.get_base_model().config, self.modules[0].input_layernorm.weight.element_size()
        self.shape = Shape.of(config, max(lora.r for lora in model.peft_config.values()), size)
        self.parts = [Parts(layer) for layer in self.modules]
        self.window = min(filter(None, (part.window for part in self.parts)), default=None)  # tokens that are seen
        self.card, self.host, self.together = 0.0, 0.0, 0
        self.lengths: list[int] | None = None
        self.plan: Plan = plan(self.shape, [1], 0, 0)
        self.angles: list[Tensor] = []  # cosine and sine of each token's position, the same for all layers
        self.anchor: Tensor | None = None  # requires a gradient, as the frozen embeddings do not
        self.kept: dict[int, Named] = {}
        self.stash = HostStash()
        self.casts = [cast for part in self.parts for some in part.every for cast in some.casts()]
        self.refresh()

    @torch.no_grad()
    def refresh(self) -> None:
        """Cast the adapters' matrices as they are now."""
        given, cast, scales = zip(*self.casts, strict=True)
        torch._foreach_copy_(cast, given)
        torch._foreach_mul_(cast, scales)

    def begin(self, lengths: list[int]) -> bool:
        """What comes are traces of these lengths one after another, each to be read by itself.

        Returns whether they are, without a mask: not so one that is longer than a window, which comes alone.
        """
        self.clear()
        self.refresh()
        self.plan = plan(self.shape, lengths, self.card - self.shape.working(sum(lengths)), self.host)
        self.lengths = None if self.window and max(lengths) > self.window else lengths
        return self.lengths is not None

    def keep_weights(self, count: int) -> None:
        """Let the weights of so many layers stay dequantized, in room that is `card`'s until then."""
        for part in self.parts[:count]:
            for some in part.every:
                some.kept = some.weight()
        self.card -= count * self.shape.weights

    def drop_weights(self) -> None:
        """Forget what is kept, dequantized weights too."""
        self.clear()
        for some in (some for part in self.parts for some in part.every):
            some.kept = None

    def less(self, host: bool) -> bool:
        """Keep half as much on the card from now on, and on the `host` too if it is short, and at last nothing; False
        where nothing is kept already.
        """
        self.drop_weights()
        if self.card <= 0:
            return False
        share = 0.5 if self.card > LITTLE else 0.0
        self.card, self.host = self.card * share, self.host * share if host else self.host
        return True

    def places(self, kind: str, number: int) -> bool:
        return bool(self.plan.place(kind, number))

    def put(self, number: int, tensors: Named) -> None:
        away = {kind: some for kind, some in tensors.items() if self.plan.place(kind, number) == "host"}
        self.kept[number] = {kind: some for kind, some in tensors.items() if kind not in away}
        if away:
            self.stash.put(number, away)

    def take(self, number: int) -> Named:
        return self.kept.pop(number) | self.stash.get(number)

    def tiles(self, *tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
        """Views of the tensors' rows (tokens), as many as go through the MLP at once."""
        return zip(*(tensor.split(self.shape.tiles(len(tensor))) for tensor in tensors), strict=True)

    def clear(self) -> None:
        """Forget what is kept, as after a step that failed midway."""
        self.kept.clear()
        self.stash.clear()


@contextmanager
def recomputing(model: PeftModel) -> Iterator[Layers]:
    """Train `model`, LoRA on a 4-bit base that `fits`, by these layers while this lasts."""
    layers, last = Layers(model), model.get_base_model().get_decoder().norm
    for number, layer in enumerate(layers.modules):
        layer.forward = partial(_forward, layer, layers, number)
    last.forward = partial(rms_norm, last)  # its own keeps several copies in 32 bits
    try:
        yield layers
    finally:
        layers.drop_weights()
        for module in (*layers.modules, last):
            del module.forward


def _forward(layer: nn.Module, layers: Layers, number: int, hidden: Tensor, **how: Any) -> Tensor:
    if not (layer.training and torch.is_grad_enabled()):
        return type(layer).forward(layer, hidden, **how)
    lengths = layers.lengths or [hidden.shape[1]]
    mask = None if layers.lengths else how.get("attention_mask")
    if number == 0:
        layers.angles = [_each(angle, hidden) for angle in how["position_embeddings"]]
        layers.anchor = torch.zeros((), device=hidden.device, requires_grad=True)
    return _Layer.apply(layers.anchor, hidden, layers, number, Places(lengths, *layers.angles, mask))


def _each(angle: Tensor, hidden: Tensor) -> Tensor:
    """(batch x tokens, head) of (batch or 1, tokens, head)."""
    return angle.expand(len(hidden), -1, -1).reshape(-1, angle.shape[-1]).contiguous()


class _Layer(torch.autograd.Function):
    """One layer. Its parameters get their gradients inside `backward`."""

    @staticmethod
    def forward(ctx: Any, anchor: Tensor, hidden: Tensor, layers: Layers, number: int, places: Places):
        parts, rows = layers.parts[number], hidden.reshape(-1, hidden.shape[-1])
        ctx.given, ctx.attention = (layers, number, places), None
        ctx.random = [_random_state(hidden)] if parts.drops else [None, None]
        kept: Named = {INPUT: [rows]}
        with _no_autocast(hidden):
            qkv, o, gate_up, down = (some.weight() for some in parts.every)
            normed = rms_norm(parts.before, rows)
            low = parts.qkv.low(normed, parts.qkv.masks(normed))
            heads = parts.qkv.outputs(qkv, normed, low)
            if layers.places("heads", number):
                kept["heads"] = [heads, low]  # turned, too, unless they are normalized first
            if parts.normed:
                heads, _ = parts.normalized(heads)
            parts.turn(heads, places)
            split = parts.apart(heads, places)
            if layers.places("attention", number) and places.mask is None:
                ctx.attention = Attention(*split, places, parts.scale)
                kept["attention"] = ctx.attention.release()
                out = kept["attention"][0]
            else:
                out = attend(*split, places, parts.scale)
            del normed, heads, split
            low = parts.o.low(out, parts.o.masks(out))
            middle = parts.o.outputs(o, out, low).add_(rows)
            del out
            result = middle
            if layers.places("middle", number):
                kept["middle"], result = [middle, low], torch.empty_like(middle)
            if parts.drops:
                ctx.random.append(_random_state(hidden))
            for tile, (inner, outer) in enumerate(layers.tiles(middle, result)):
                normed = rms_norm(parts.between, inner)
                low = parts.gate_up.low(normed, parts.gate_up.masks(normed))
                both = parts.gate_up.outputs(gate_up, normed, low)
                product = parts.gated(both)
                low_down = parts.down.low(product, parts.down.masks(product))
                torch.add(inner, parts.down.outputs(down, product, low_down), out=outer)
                if layers.places(f"mlp{tile}", number):
                    kept[f"mlp{tile}"] = [both, low, low_down]
                del normed, both, product
        layers.put(number, kept)
        return result.view(hidden.shape)

    @staticmethod
    def backward(ctx: Any, grad: Tensor):
        layers, number, places = ctx.given
        parts, kept, shape = layers.parts[number], layers.take(number), grad.shape
        rows, grad, front = kept[INPUT][0], grad.reshape(-1, shape[-1]), None
        with _no_autocast(grad):
            weights = [some.weight() for some in parts.every]
            again = partial(Front, parts, weights, rows, kept, ctx.attention, places)
            if "middle" in kept:
                middle = kept["middle"][0]
            else:
                with _random_numbers(ctx.random[0], grad):
                    front = again()
                middle = front.middle(rows)
            with _random_numbers(ctx.random[1], grad):
                for tile, (inner, outer) in enumerate(layers.tiles(middle, grad)):
                    outer += mlp_backward(parts, weights, inner, outer, kept.pop(f"mlp{tile}", None))
            del middle
            if front is None:
                kept["middle"][0] = None
                with _random_numbers(ctx.random[0], grad):
                    front = again()
            grad = front.backward(grad, wanted=ctx.needs_input_grad[1])
        return None, None if grad is None else grad.view(shape), None, None, None


def _no_autocast(like: Tensor) -> AbstractContextManager:
    kind = like.device.type
    return torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()


def _random_state(like: Tensor) -> list[Tensor]:
    return [torch.get_rng_state()] + ([torch.cuda.get_rng_state(like.device)] if like.is_cuda else [])


@contextmanager
def _random_numbers(state: list[Tensor] | None, like: Tensor) -> Iterator[None]:
    """Draw the random numbers of `state` again while this lasts, and afterwards go on where one was."""
    if state is None:
        yield
        return
    with torch.random.fork_rng([like.device] if like.is_cuda else []):
        torch.set_rng_state(state[0])
        if like.is_cuda:
            torch.cuda.set_rng_state(state[1], like.device)
        yield
