"""Chat templates of many families, short and in our own words, and what must come of each.

Every family is asked `2+3?`, without a system prompt and with `Be brief.`, and answers with a thought and `5`.
`sent` and `sent_with` are the prompts (None: the template takes no system prompt), `learnt` is what carries the loss,
`end` what ends the turn, `left_out` the system turn that the template says unasked.
"""

from dataclasses import dataclass
from typing import Any

QUESTION, SYSTEM, ANSWER = "2+3?", "Be brief.", "<think>\nAdd.\n</think>\n\n5"


@dataclass(frozen=True)
class Family:
    """A family's template with its special tokens, and what must come of it."""

    template: str
    special: tuple[str, ...]
    eos: str
    sent: str
    sent_with: str | None
    end: str
    learnt: str = ""  # the answer and the end where nothing is said
    bos: str | None = None
    left_out: str = ""
    stop_texts: tuple[str, ...] = ()

    @property
    def loss(self) -> str:
        """What carries the loss."""
        return self.learnt or ANSWER + self.end


def tokenizer_of(template: str, special: tuple[str, ...], eos: str | None, bos: str | None = None) -> Any:
    """A byte-level tokenizer with these special tokens and this chat template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    raw = Tokenizer(models.BPE({letter: number for number, letter in enumerate(alphabet)}, []))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    raw.add_special_tokens(list(special))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token=eos, bos_token=bos)
    tokenizer.chat_template = template or None
    return tokenizer


def _turns(opening: str, closing: str, prompt: str) -> str:
    """A loop that puts every turn between two texts, in which ROLE is the role; `prompt` opens the assistant's."""
    start = "+".join(f"'{part}'" for part in opening.split("ROLE", 1)).replace("+", " + m.role + ", 1)
    return (
        "{% for m in messages %}{{ " + start + " + m.content + '" + closing + "' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '" + prompt + "' }}{% endif %}"
    )


_CHATML = _turns("<|im_start|>ROLE\\n", "<|im_end|>\\n", "<|im_start|>assistant\\n")
_HEADER = "<|start_header_id|>{}<|end_header_id|>\\n\\n"
_LLAMA3 = _turns(_HEADER.format("ROLE"), "<|eot_id|>", _HEADER.format("assistant"))
_QWEN = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_IM_PROMPT = "<|im_start|>user\n2+3?<|im_end|>\n<|im_start|>assistant\n"
_IM_SYSTEM = "<|im_start|>system\nBe brief.<|im_end|>\n"
_LLAMA3_PROMPT = (
    "<|start_header_id|>user<|end_header_id|>\n\n2+3?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
)
_LLAMA3_TOKENS = ("<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>")


def _with_default(template: str, text: str) -> str:
    """The template with a system turn of its own where none is given; `text` is that turn."""
    return "{% if messages[0].role != 'system' %}{{ '" + text + "' }}{% endif %}" + template


FAMILIES = {
    "chatml": Family(_CHATML, _QWEN, "<|im_end|>", _IM_PROMPT, _IM_SYSTEM + _IM_PROMPT, "<|im_end|>"),
    "qwen2.5": Family(  # the EOS of its base is another token
        _with_default(_CHATML, "<|im_start|>system\\nYou are kind.<|im_end|>\\n"),
        _QWEN,
        "<|endoftext|>",
        _IM_PROMPT,
        _IM_SYSTEM + _IM_PROMPT,
        "<|im_end|>",
        left_out="<|im_start|>system\nYou are kind.<|im_end|>\n",
    ),
    "qwen3": Family(  # thoughts of earlier turns go, and the last turn always has a block of them
        "{% for m in messages %}{% set c = m.content %}{% set t = '' %}"
        "{% if m.role == 'assistant' and '</think>' in c %}{% set t = c.split('</think>')[0].split('<think>')[-1] %}"
        "{% set c = c.split('</think>')[-1].lstrip('\\n') %}{% endif %}{{ '<|im_start|>' + m.role + '\\n' }}"
        "{% if m.role == 'assistant' and loop.last %}{{ '<think>\\n' + t.strip('\\n') + '\\n</think>\\n\\n' }}"
        "{% endif %}{{ c + '<|im_end|>\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
        _QWEN,
        "<|im_end|>",
        _IM_PROMPT,
        _IM_SYSTEM + _IM_PROMPT,
        "<|im_end|>",
    ),
    "smollm2": Family(  # its BOS is the token that begins every turn
        _with_default(_CHATML, "<|im_start|>system\\nYou are Smol.<|im_end|>\\n"),
        _QWEN,
        "<|im_end|>",
        _IM_PROMPT,
        _IM_SYSTEM + _IM_PROMPT,
        "<|im_end|>",
        bos="<|im_start|>",
        left_out="<|im_start|>system\nYou are Smol.<|im_end|>\n",
    ),
    "phi4": Family(
        _turns("<|im_start|>ROLE<|im_sep|>", "<|im_end|>", "<|im_start|>assistant<|im_sep|>"),
        ("<|endoftext|>", "<|im_start|>", "<|im_sep|>", "<|im_end|>"),
        "<|endoftext|>",
        "<|im_start|>user<|im_sep|>2+3?<|im_end|><|im_start|>assistant<|im_sep|>",
        "<|im_start|>system<|im_sep|>Be brief.<|im_end|>"
        "<|im_start|>user<|im_sep|>2+3?<|im_end|><|im_start|>assistant<|im_sep|>",
        "<|im_end|>",
    ),
    "llama2": Family(  # the system prompt lies within the first question, and spaces around what is said
        "{% if messages[0].role == 'system' %}{% set s = '<<SYS>>\\n' + messages[0].content + '\\n<</SYS>>\\n\\n' %}"
        "{% set rest = messages[1:] %}{% else %}{% set s = '' %}{% set rest = messages %}{% endif %}"
        "{% for m in rest %}{% if m.role == 'user' %}{{ bos_token + '[INST] ' + (s if loop.first else '') }}"
        "{{ m.content | trim }}{{ ' [/INST]' }}{% else %}{{ ' ' + (m.content | trim) + ' ' + eos_token }}{% endif %}"
        "{% endfor %}",
        ("<s>", "</s>"),
        "</s>",
        "<s>[INST] 2+3? [/INST]",
        "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\n2+3? [/INST]",
        "</s>",
        learnt=f" {ANSWER} </s>",
        bos="<s>",
    ),
    "llama3": Family(
        "{{ bos_token }}" + _LLAMA3,
        _LLAMA3_TOKENS,
        "<|end_of_text|>",
        "<|begin_of_text|>" + _LLAMA3_PROMPT,
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>" + _LLAMA3_PROMPT,
        "<|eot_id|>",
        bos="<|begin_of_text|>",
    ),
    "llama3.2": Family(  # a system turn with the date, whether one is given or not
        "{{ bos_token }}{% set s = '' %}{% set rest = messages %}"
        "{% if messages[0].role == 'system' %}{% set s = messages[0].content %}{% set rest = messages[1:] %}{% endif %}"
        "{{ '<|start_header_id|>system<|end_header_id|>\\n\\nToday: 1 May\\n\\n' + s + '<|eot_id|>' }}"
        + _LLAMA3.replace("in messages", "in rest"),
        _LLAMA3_TOKENS,
        "<|end_of_text|>",
        "<|begin_of_text|>" + _LLAMA3_PROMPT,
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nToday: 1 May\n\nBe brief.<|eot_id|>"
        + _LLAMA3_PROMPT,
        "<|eot_id|>",
        bos="<|begin_of_text|>",
        left_out="<|start_header_id|>system<|end_header_id|>\n\nToday: 1 May\n\n<|eot_id|>",
    ),
    "mistral-v0.3": Family(  # the system prompt stands in the last question
        "{% if messages[0].role == 'system' %}{% set s = messages[0].content %}{% set rest = messages[1:] %}"
        "{% else %}{% set rest = messages %}{% endif %}{{ bos_token }}{% for m in rest %}{% if m.role == 'user' %}"
        "{{ '[INST] ' + (s + '\\n\\n' if loop.last and s is defined else '') + m.content + '[/INST]' }}"
        "{% else %}{{ ' ' + m.content + eos_token }}{% endif %}{% endfor %}",
        ("<s>", "</s>", "[INST]", "[/INST]"),
        "</s>",
        "<s>[INST] 2+3?[/INST]",
        "<s>[INST] Be brief.\n\n2+3?[/INST]",
        "</s>",
        learnt=f" {ANSWER}</s>",
        bos="<s>",
    ),
    "mistral-small": Family(
        "{{ bos_token }}{% if messages[0].role != 'system' %}{{ '[SYSTEM_PROMPT]It is May.[/SYSTEM_PROMPT]' }}"
        "{% endif %}{% for m in messages %}{% if m.role == 'system' %}{{ '[SYSTEM_PROMPT]' + m.content }}"
        "{{ '[/SYSTEM_PROMPT]' }}{% elif m.role == 'user' %}{{ '[INST]' + m.content + '[/INST]' }}"
        "{% else %}{{ m.content + eos_token }}{% endif %}{% endfor %}",
        ("<s>", "</s>", "[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"),
        "</s>",
        "<s>[INST]2+3?[/INST]",
        "<s>[SYSTEM_PROMPT]Be brief.[/SYSTEM_PROMPT][INST]2+3?[/INST]",
        "</s>",
        bos="<s>",
        left_out="[SYSTEM_PROMPT]It is May.[/SYSTEM_PROMPT]",
    ),
    "gemma2": Family(
        "{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
        "{% for m in messages %}{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\\n' }}"
        "{{ (m.content | trim) + '<end_of_turn>\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}",
        ("<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>"),
        "<eos>",
        "<bos><start_of_turn>user\n2+3?<end_of_turn>\n<start_of_turn>model\n",
        None,
        "<end_of_turn>",
        bos="<bos>",
    ),
    "gemma3": Family(
        "{{ bos_token }}{% if messages[0].role == 'system' %}{% set s = messages[0].content + '\\n\\n' %}"
        "{% set rest = messages[1:] %}{% else %}{% set s = '' %}{% set rest = messages %}{% endif %}"
        "{% for m in rest %}{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\\n' }}"
        "{{ (s if loop.first else '') + (m.content | trim) + '<end_of_turn>\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}",
        ("<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>"),
        "<eos>",
        "<bos><start_of_turn>user\n2+3?<end_of_turn>\n<start_of_turn>model\n",
        "<bos><start_of_turn>user\nBe brief.\n\n2+3?<end_of_turn>\n<start_of_turn>model\n",
        "<end_of_turn>",
        bos="<bos>",
    ),
    "phi3": Family(  # a finished conversation has the EOS after the last turn's end
        _turns("<|ROLE|>\\n", "<|end|>\\n", "<|assistant|>\\n")
        + "{% if not add_generation_prompt %}{{ eos_token }}{% endif %}",
        ("<|endoftext|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"),
        "<|endoftext|>",
        "<|user|>\n2+3?<|end|>\n<|assistant|>\n",
        "<|system|>\nBe brief.<|end|>\n<|user|>\n2+3?<|end|>\n<|assistant|>\n",
        "<|end|>",
    ),
    "glm4": Family(  # nothing ends a turn but the next one
        "{{ '[gMASK]<sop>' }}" + _turns("<|ROLE|>\\n", "", "<|assistant|>"),
        ("<|endoftext|>", "[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>"),
        "<|endoftext|>",
        "[gMASK]<sop><|user|>\n2+3?<|assistant|>",
        "[gMASK]<sop><|system|>\nBe brief.<|user|>\n2+3?<|assistant|>",
        "<|user|>",
        learnt=f"\n{ANSWER}<|user|>",
    ),
    "glm4.5": Family(  # a block of thoughts before all that is said, an empty one where there are none
        "{{ '[gMASK]<sop>' }}{% for m in messages %}{% set c = m.content %}{{ '<|' + m.role + '|>' }}"
        "{% if m.role == 'assistant' %}{{ '\\n<think>' }}{% if '</think>' in c %}"
        "{{ c.split('</think>')[0].split('<think>')[-1].strip() }}{% endif %}"
        "{{ '</think>\\n' + c.split('</think>')[-1].strip() }}{% else %}{{ '\\n' + c }}{% endif %}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}",
        ("<|endoftext|>", "[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>"),
        "<|endoftext|>",
        "[gMASK]<sop><|user|>\n2+3?<|assistant|>",
        "[gMASK]<sop><|system|>\nBe brief.<|user|>\n2+3?<|assistant|>",
        "<|user|>",
        learnt=f"\n{ANSWER}<|user|>",
    ),
    "deepseek-r1": Family(  # it strips thoughts, and its prompt opens one
        "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ m.content }}{% elif m.role == 'user' %}"
        "{{ '<|User|>' + m.content }}{% else %}{{ '<|Assistant|>' + m.content.split('</think>')[-1] + eos_token }}"
        "{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|Assistant|><think>\\n' }}{% endif %}",
        ("<|begin|>", "<|end|>", "<|User|>", "<|Assistant|>"),
        "<|end|>",
        "<|begin|><|User|>2+3?<|Assistant|><think>\n",
        "<|begin|>Be brief.<|User|>2+3?<|Assistant|><think>\n",
        "<|end|>",
        learnt="Add.\n</think>\n\n5<|end|>",
        bos="<|begin|>",
    ),
    "command-r": Family(
        "{{ bos_token }}{% set names = {'system': '<|SYSTEM|>', 'user': '<|USER|>', 'assistant': '<|BOT|>'} %}"
        "{% for m in messages %}{{ '<|START|>' + names[m.role] + m.content + '<|END|>' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|START|><|BOT|>' }}{% endif %}",
        ("<BOS>", "<EOS>", "<|START|>", "<|END|>", "<|SYSTEM|>", "<|USER|>", "<|BOT|>"),
        "<EOS>",
        "<BOS><|START|><|USER|>2+3?<|END|><|START|><|BOT|>",
        "<BOS><|START|><|SYSTEM|>Be brief.<|END|><|START|><|USER|>2+3?<|END|><|START|><|BOT|>",
        "<|END|>",
        bos="<BOS>",
    ),
    "olmo2": Family(  # roles in plain text, and the EOS after what is said, as Tulu's
        "{{ bos_token }}{% for m in messages %}{{ '<|' + m.role + '|>\\n' + m.content }}"
        "{{ (eos_token if m.role == 'assistant' else '') + '\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}",
        ("<|endoftext|>",),
        "<|endoftext|>",
        "<|endoftext|><|user|>\n2+3?\n<|assistant|>\n",
        "<|endoftext|><|system|>\nBe brief.\n<|user|>\n2+3?\n<|assistant|>\n",
        "<|endoftext|>",
        bos="<|endoftext|>",
    ),
    "granite": Family(
        _with_default(
            _turns("<|role|>ROLE<|role_end|>", "<|end_of_text|>\\n", "<|role|>assistant<|role_end|>"),
            "<|role|>system<|role_end|>You know all until April.<|end_of_text|>\\n",
        ),
        ("<|end_of_text|>", "<|role|>", "<|role_end|>"),
        "<|end_of_text|>",
        "<|role|>user<|role_end|>2+3?<|end_of_text|>\n<|role|>assistant<|role_end|>",
        "<|role|>system<|role_end|>Be brief.<|end_of_text|>\n"
        "<|role|>user<|role_end|>2+3?<|end_of_text|>\n<|role|>assistant<|role_end|>",
        "<|end_of_text|>",
        left_out="<|role|>system<|role_end|>You know all until April.<|end_of_text|>\n",
    ),
    "vicuna": Family(  # plain text, with words of its own before it
        "{{ bos_token }}{% if messages[0].role == 'system' %}{{ messages[0].content + ' ' }}"
        "{% set rest = messages[1:] %}{% else %}{{ 'A chat with a helper. ' }}{% set rest = messages %}"
        "{% endif %}{% for m in rest %}{% if m.role == 'user' %}{{ 'USER: ' + m.content + ' ' }}{% else %}"
        "{{ 'ASSISTANT: ' + m.content + eos_token }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'ASSISTANT: ' }}{% endif %}",
        ("<s>", "</s>"),
        "</s>",
        "<s>USER: 2+3? ASSISTANT: ",
        "<s>Be brief. USER: 2+3? ASSISTANT: ",
        "</s>",
        bos="<s>",
        left_out="A chat with a helper. ",
    ),
    "falcon": Family(  # no token at all, so that the EOS ends a turn, and in what was never trained the next name
        "{% for m in messages %}{{ m.role.capitalize() + ': ' + m.content + '\\n\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'Assistant: ' }}{% endif %}",
        ("<|endoftext|>",),
        "<|endoftext|>",
        "User: 2+3?\n\nAssistant: ",
        "System: Be brief.\n\nUser: 2+3?\n\nAssistant: ",
        "<|endoftext|>",
        stop_texts=("\nUser:",),
    ),
}
