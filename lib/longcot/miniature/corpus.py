"""The base model's corpus: its documents, its tokenizer, and rows of tokens for pretraining.

Most documents answer at once or in a line, all that are formatted as a chat among them; the rest, in another format,
reason at length. That is the miniature's stand-in for what is believed of large base models: the skill is there, the
habit is not.
"""

import random
from collections.abc import Iterator

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from longcot.problems.miniature.world import Solved, World

END_OF_TEXT, TURN_START, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"

# ChatML as the Qwen2.5 family writes it, without that family's default system prompt. The generation marks tell
# trainers which tokens are the assistant's.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message.role + '\n' }}"
    "{% if message.role == 'assistant' %}"
    "{% generation %}{{ message.content + '<|im_end|>' }}{% endgeneration %}"
    "{% else %}{{ message.content + '<|im_end|>' }}{% endif %}"
    "{{ '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

KINDS = {"chat_direct": 0.25, "chat_short": 0.25, "plain_direct": 0.10, "plain_long": 0.40}  # shares of documents


def long_prompt(problem: str) -> str:
    """The format in which the corpus reasons at length."""
    return f"Exercise. {problem}\nSolution.\n"


def document(kind: str, solved: Solved) -> tuple[str, str]:
    """(prompt, completion) of a document; the loss is taken on the completion.

    The numbers of a problem are random: to predict them teaches nothing and would take most of the training.
    """
    problem = solved.problem.problem
    if kind == "plain_long":
        return long_prompt(problem), solved.long + END_OF_TEXT
    if kind == "plain_direct":
        return f"Question: {problem}\nAnswer: ", solved.direct + END_OF_TEXT
    answer = solved.direct if kind == "chat_direct" else solved.short
    prompt = f"{TURN_START}user\n{problem}{TURN_END}\n{TURN_START}assistant\n"
    return prompt, f"{answer}{TURN_END}\n{END_OF_TEXT}"


def draw_documents(world: World, seed: str) -> Iterator[tuple[str, str]]:
    """Documents of the train split without end; the same for the same seed."""
    rng = random.Random(f"longcot corpus {world.seed} {seed}")
    kinds, shares = tuple(KINDS), tuple(KINDS.values())
    while True:
        yield document(rng.choices(kinds, shares)[0], world.draw(rng, "train"))


def train_tokenizer(world: World, documents: int = 20_000, vocab_size: int = 768) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer with single digits, ChatML tokens and, as Qwen2.5's, `<|endoftext|>` as its EOS."""
    tokenizer = Tokenizer(models.BPE())
    words = Regex(r"\d| ?\p{L}+|\n| ?[^\s\p{L}\d]|\s")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(words, "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    drawn = draw_documents(world, "tokenizer")
    specials = [END_OF_TEXT, TURN_START, TURN_END]
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(("".join(next(drawn)) for _ in range(documents)), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END_OF_TEXT,
        pad_token=END_OF_TEXT,
        additional_special_tokens=specials[1:],
        chat_template=CHAT_TEMPLATE,
        padding_side="left",
        model_max_length=1024,
    )


class PackedRows(torch.utils.data.Dataset):
    """Rows of `length` tokens, each packed from whole documents drawn from the row's own seed.

    Row i is the same whenever and by whichever worker it is asked for, so that a killed training goes on with the
    very rows it would have seen.
    """

    def __init__(self, world: World, tokenizer: PreTrainedTokenizerFast, rows: int, length: int):
        self.world, self.tokenizer, self.rows, self.length = world, tokenizer, rows, length

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        """`input_ids` and `labels`, each of shape (length,); labels are -100 where no loss is taken."""
        encode, ids, labels = self.tokenizer.backend_tokenizer.encode, [], []
        for prompt, completion in draw_documents(self.world, f"row {index}"):
            head, tail = encode(prompt).ids, encode(completion).ids
            if len(ids) + len(head) + len(tail) > self.length:
                break
            ids += head + tail
            labels += [-100] * len(head) + tail
        rest = self.length - len(ids)
        ids += [self.tokenizer.eos_token_id] * rest
        labels += [-100] * rest
        return {"input_ids": torch.tensor(ids), "labels": torch.tensor(labels)}
