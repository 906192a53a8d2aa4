"""How to sample and how to train: strict models without heavy imports, so that a study is read in no time."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Dtype = Literal["float32", "bfloat16", "float16"]
CLUSTER_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.,-]*$"  # of a partition, an account: no flag


class Strict(BaseModel):
    """No unknown key, no silent conversion: YAML reads `1e-4` as a text, and that must not pass for a number."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Sampling(Strict):
    """How to sample. The defaults of temperature and top_p are the paper's."""

    temperature: float = Field(0.6, ge=0)  # 0: greedy
    top_p: float = Field(0.95, gt=0, le=1)
    max_tokens: int = Field(ge=1)  # of one response; less where the model's context leaves less after the prompt
    samples: int = Field(1, ge=1)  # for each problem
    batch_size: int = Field(64, ge=1)
    seed: int = 0


def _no_login(url: str) -> str:
    if "@" in url.split("://")[-1].split("/")[0]:
        raise ValueError("a URL with a user or password, which would stand in files; give the key by `key`")
    return url


class Server(Strict):
    """OpenAI-compatible servers that all serve one model, and how hard to press them."""

    urls: list[Annotated[str, AfterValidator(_no_login)]] = Field(min_length=1)  # with the /v1 at their end
    api: Literal["completions", "chat"] = "completions"  # completions: the prompt's tokens, so our own template holds
    concurrency: int = Field(256, ge=1)  # requests in flight, over all urls
    timeout_s: float = Field(3600.0, gt=0)  # of one request: a trace of 32,768 tokens takes many minutes
    retries: int = Field(5, ge=0)  # of one request
    key: str = "OPENAI_API_KEY"  # the environment variable that holds the key; the key itself stands nowhere


class LoraSettings(Strict):
    """What an adapter is trained with. Fixed: AdamW, cosine decay and gradient norm 1, as in s1's recipe."""

    rank: int = Field(16, ge=1)  # axolotl's QLoRA of Qwen3-32B, and Unsloth's default; torchtune's 32B LoRA: 8
    alpha: float = Field(32, gt=0)  # twice the rank, as axolotl and torchtune have it
    dropout: float = Field(0.0, ge=0, lt=1)  # the same three; QLoRA itself: 0.05 at 32B
    target_modules: str | list[str] = "all-linear"  # QLoRA: all linear layers are needed to match full fine-tuning
    learning_rate: float = Field(2e-4, gt=0)  # axolotl's at 32B; torchtune's 3e-4; s1, in full, 1e-5
    epochs: int = Field(15, ge=1)  # our trials on 20 traces; s1 takes 5 on 1,000
    batch_size: int = Field(4, ge=1)  # traces a step
    warmup_ratio: float = Field(0.05, ge=0, lt=1)  # s1; axolotl at 32B: 0.1
    weight_decay: float = Field(0.0, ge=0)  # axolotl's at 32B, and QLoRA's; s1: 1e-4, torchtune: 0.01
    max_length: int = Field(32768, ge=2)  # tokens of prompt and trace
    too_long: Literal["refuse", "drop"] = "refuse"  # a longer one ends the run, or is left out by name; never cut
    seed: int = 0
    compute_dtype: Dtype = "bfloat16"  # of the products with the dequantized weights


class Request(Strict):
    """What a job asks a cluster for. What is left out is not asked for."""

    memory_mb: int | None = Field(None, ge=1)  # of the machine, not of the GPU
    runtime_minutes: int | None = Field(None, ge=1)  # after which the cluster may end it
    partition: str | None = Field(None, pattern=CLUSTER_NAME)
    account: str | None = Field(None, pattern=CLUSTER_NAME)


class GpuRequest(Request):
    """What a job that holds a model asks for."""

    gpus: int | None = Field(None, ge=1)


class Jobs(Request):
    """How the work is cut, and what each job asks for. Of this, results depend on the threads of a job alone.

    What `sampling` and `training` say holds for the jobs that sample in process and that train, in place of what is
    said for all: no plot waits for a GPU, and no client of a server.
    """

    threads: int = Field(1, ge=1)
    arms_per_job: int = Field(4, ge=1)
    memory_mb: int = Field(2000, ge=1)
    sampling: GpuRequest = GpuRequest()
    training: GpuRequest = GpuRequest()

    def request(self, own: GpuRequest | None = None) -> GpuRequest:
        """What a job asks for of which `own` is said, or nothing of its own."""
        given = self.model_dump(include=set(Request.model_fields), exclude_none=True)
        return GpuRequest(**given | (own.model_dump(exclude_none=True) if own else {}))
