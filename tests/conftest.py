"""A tiny model with the traps of the Qwen2.5 base models, made once for all tests."""

import json
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest

# A shell starts what it puts in the background deaf to Ctrl-C, and so would be all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Default system prompt where none is given, as Qwen2.5's own template does it.
CHATML = (
    "{%- if messages[0]['role'] == 'system' %}"
    "{{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}"
    "{%- else %}{{- '<|im_start|>system\\nYou are a default.<|im_end|>\\n' }}{%- endif %}"
    "{%- for message in messages %}{%- if not (loop.first and message['role'] == 'system') %}"
    "{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)


def make_model(folder: Path, seed: int = 0, hidden: int = 64, context: int = 256) -> Path:
    """A random Qwen2 model and a byte-level BPE with ChatML, whose configured EOS is <|endoftext|>."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    words = ["Step one: add two and three, then check the sum. The answer is \\boxed{5}."]
    raw.train_from_iterator(words, trainers.BpeTrainer(special_tokens=special, initial_alphabet=alphabet))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token=special[0], pad_token=special[0])
    tokenizer.chat_template = CHATML
    tokenizer.save_pretrained(folder)
    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=context,
        tie_word_embeddings=True,
        eos_token_id=0,
        bos_token_id=0,
        initializer_range=0.2,  # far from uniform, so that a wrong input shows in the output
    )
    Qwen2ForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    # A file like those of chat models, with settings that a sampler must not take over unasked.
    hidden_settings = {"eos_token_id": 0, "do_sample": True, "top_k": 1, "repetition_penalty": 5.0}
    (folder / "generation_config.json").write_text(json.dumps(hidden_settings))
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Path:
    """The folder of the tiny model: width 64, 2 layers, context 256."""
    return make_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def sampler(tiny_model):
    """A sampler of the tiny model, in process."""
    from longcot.sampling.local import LocalSampler

    return LocalSampler(tiny_model, threads=1, device="cpu")


@pytest.fixture
def serve():
    """Makes scripted servers that end with the test."""
    from scripted_server import ScriptedServer

    with ExitStack() as stack:

        def make(*args, **kwargs):
            server = ScriptedServer(*args, **kwargs)
            stack.callback(server.stop)
            return server

        yield make


@pytest.fixture
def run_served(tiny_model, tmp_path):
    """Samples PROBLEMS of `scripted_server` through URLs into one file; returns its traces, each key once."""
    from scripted_server import PROBLEMS, SAMPLING

    from longcot.sampling.generate import generate_traces
    from longcot.sampling.server.sampler import ServerSampler
    from longcot.sampling.settings import Server
    from longcot.traces.trace import read_traces

    def run(*urls, base=tiny_model, adapter=None, context=None, sampling=SAMPLING, edits=(), backoff_s=0.01, **how):
        server = Server(urls=list(urls), **({"concurrency": 4, "timeout_s": 20.0, "retries": 3} | how))
        sampler = ServerSampler(server, "m", str(base), adapter=adapter, context=context, backoff_s=backoff_s)
        out = tmp_path / "t.jsonl"
        generate_traces(sampler, PROBLEMS, out, sampling, model="tiny", edits=edits, progress=False)
        return read_traces(out)

    return run
