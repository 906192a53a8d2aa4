"""What of each layer waits for the backward pass on the card, what on the host, and what is computed again.

Reckoned from sizes before the first step. A layer's tensors fall into kinds; of each it is known how many bytes it
takes and how many operations it saves. What saves most for its bytes is kept first: on the card while there is room,
then on the host as far as the copies hide behind the forward pass; the rest is computed again. The down projection's
output is needed by nobody: it is neither kept nor computed again.
"""

import functools
from dataclasses import dataclass

from transformers import PretrainedConfig

OPERATIONS_PER_BYTE = 12_000  # that a card does while it copies a byte to the host: 640 TFLOP/s and 53 GB/s, on an H100
TILE = 8192 * 27648  # numbers of a tensor of the MLP at once: enough for the matrix units, and 0.45 GB
ROWS = 1024  # tokens whose logits exist at once: 0.6 GB in fp32 for a vocabulary of 152,064
INPUT = "input"


@dataclass(frozen=True)
class Shape:
    """A model of the Llama family's structure, and the rank of its adapters; `size` is the bytes of a number."""

    layers: int
    width: int
    query: int  # width of all queries together
    keys: int
    heads: int
    intermediate: int
    vocabulary: int
    rank: int
    size: int

    @classmethod
    def of(cls, config: PretrainedConfig, rank: int, size: int) -> "Shape":
        head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        return cls(
            layers=config.num_hidden_layers,
            width=config.hidden_size,
            query=config.num_attention_heads * head,
            keys=config.num_key_value_heads * head,
            heads=config.num_attention_heads,
            intermediate=config.intermediate_size,
            vocabulary=config.vocab_size,
            rank=rank,
            size=size,
        )

    @property
    def weights(self) -> int:
        """Bytes of one layer's weights, dequantized."""
        return self.width * (2 * self.query + 2 * self.keys + 3 * self.intermediate) * self.size

    def working(self, tokens: int) -> int:
        """Bytes on the card, beside the model and what is kept, in the pass of so many tokens, the first part of which
        is the input of a layer and that of the one before it, on their way back from the host.
        """
        # Two inputs, the gradient, the normalized input, the sum in the middle; queries, keys, values, their attention.
        held = tokens * (5 * self.width + 2 * self.query + 2 * self.keys) * self.size
        # Their gradients; the queries' is summed in 32 bits, the keys' and values' come for each query head at first.
        attention = tokens * (6 * self.query + 2 * self.keys) * self.size
        # Gate, up, the gradient of their product and a rest; the normalized rows and their gradients.
        mlp = min(tokens, self.tile) * (4 * self.intermediate + 3 * self.width) * self.size
        # Logits in 16 and 32 bits, the softmax; the last states, normalized, those that count, and their gradients.
        output = min(tokens, ROWS) * self.vocabulary * 16 + 7 * tokens * self.width * self.size
        return max(self.weights + held + max(attention, mlp), output)

    @property
    def tile(self) -> int:
        """Tokens that go through the MLP at once."""
        return max(TILE // self.intermediate, 1)

    def tiles(self, tokens: int) -> list[int]:
        """Tokens of each tile: as few tiles as can be, of nearly the same length."""
        return _tiles(tokens, self.tile)

    def kinds(self, lengths: list[int]) -> dict[str, tuple[int, int]]:
        """Bytes, and operations saved, of each kind of a layer's tensors, for traces that go through together."""
        tokens, pairs = sum(lengths), sum(length * length for length in lengths) // 2
        up = 4 * self.width * self.intermediate
        return {
            "attention": (tokens * (self.query * self.size + 4 * self.heads), 4 * self.query * pairs),
            "heads": (
                tokens * (self.query + 2 * self.keys + 3 * self.rank) * self.size,
                2 * tokens * self.width * (self.query + 2 * self.keys),
            ),
            "middle": (tokens * (self.width + self.rank) * self.size, 2 * tokens * self.query * self.width),
        } | {
            f"mlp{number}": (rows * (2 * self.intermediate + 3 * self.rank) * self.size, rows * up)
            for number, rows in enumerate(self.tiles(tokens))
        }

    def forward(self, lengths: list[int]) -> int:
        """Operations of a layer's forward pass."""
        pairs = sum(length * length for length in lengths) // 2
        return 2 * sum(lengths) * self.weights // self.size + 4 * self.query * pairs


@functools.lru_cache(maxsize=64)
def _tiles(tokens: int, tile: int) -> list[int]:
    count = -(-tokens // tile)
    edges = [tokens * n // count for n in range(count + 1)]
    return [stop - start for start, stop in zip(edges, edges[1:], strict=False)]


@dataclass(frozen=True)
class Plan:
    """Of each kind, of how many layers it stays on the card (the last ones), and of how many before on the host."""

    layers: int
    places: dict[str, tuple[int, int]]
    card: int  # bytes, with those on their way
    host: int  # bytes
    again: float  # the share of the forward pass's operations that is done twice

    def place(self, kind: str, layer: int) -> str:
        """Where a layer's tensors of this kind wait: "card", "host", or "" where they are computed again."""
        card, host = self.places.get(kind, (0, 0))
        behind = self.layers - 1 - layer
        return "card" if behind < card else "host" if behind < card + host else ""

    def words(self) -> str:
        """The plan in one line."""
        if not self.again:
            kept = "all that the backward pass needs is kept"
        else:
            kept = f"{self.again:.0%} of the forward pass is computed again"
        return f"{kept}, {self.card / 1e9:.1f} GB on the GPU and {self.host / 1e9:.1f} GB on the host"


def plan(shape: Shape, lengths: list[int], card: float, host: float) -> Plan:
    """What to keep of traces of these lengths, which go through together, in so many bytes of the card and of the host.

    `card` is what is left of it beside the model and `Shape.working`. What goes to the host takes room for two layers'
    on the card, on their way. The layers' inputs are kept in any case, on the card where all of them fit, else on the
    host; where there is no host (a CPU), on the card.
    """
    inputs = sum(lengths) * shape.width * shape.size
    room = shape.forward(lengths) / OPERATIONS_PER_BYTE - inputs  # bytes that can leave during a layer
    away: dict[str, int] = {}  # kinds that go to the host, of as many layers as it has room for
    plans = [_placed(shape, lengths, card, host, away)]
    for kind, size in _by_worth(shape, lengths).items():
        leaving = sum(away.values()) + size
        if leaving <= room and 2 * leaving <= card:
            away = away | {kind: size}
            plans.append(_placed(shape, lengths, card, host, away))
    return min(plans, key=lambda one: (round(one.again, 3), one.host))


def _by_worth(shape: Shape, lengths: list[int]) -> dict[str, int]:
    """Bytes of each kind, that first which saves most operations for its bytes."""
    kinds = shape.kinds(lengths)
    return {kind: kinds[kind][0] for kind in sorted(kinds, key=lambda kind: -kinds[kind][1] / kinds[kind][0])}


def _placed(shape: Shape, lengths: list[int], card: float, host: float, away: dict[str, int]) -> Plan:
    inputs, again, places = shape.layers * sum(lengths) * shape.width * shape.size, 0, {}
    leaving, left, used = sum(away.values()), card - 2 * sum(away.values()), inputs if host else 0
    hosted = min(shape.layers, max(int((host - used) // leaving), 0)) if away else 0
    for kind, size in _by_worth(shape, lengths).items():
        there = hosted if kind in away else 0
        here = min(shape.layers - there, max(int(left // size), 0))
        places[kind], left, used = (here, there), left - here * size, used + there * size
        again += (shape.layers - here - there) * shape.kinds(lengths)[kind][1]
    if not host or inputs <= left:
        places[INPUT], left, used = (shape.layers, 0), left - inputs, used - inputs
    else:
        places[INPUT] = 0, shape.layers
    share = again / (shape.layers * shape.forward(lengths))
    return Plan(shape.layers, places, max(int(card - left), 0), max(used, 0), share)


def whole(shape: Shape, card: float) -> int:
    """The most tokens of which all is kept on so many bytes of the card, `Shape.working` and the inputs among them."""
    low, high = 0, 2**24
    while low < high:
        tokens = (low + high + 1) // 2
        kept = shape.layers * (
            sum(size for size, _ in shape.kinds([tokens]).values()) + tokens * shape.width * shape.size
        )
        low, high = (tokens, high) if kept + shape.working(tokens) <= card else (low, tokens - 1)
    return low
