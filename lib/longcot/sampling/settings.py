"""How a model is sampled, and on which servers; each default with its source."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from longcot.files.strict import Strict


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


class Engine(Strict):
    """vLLM's own server, which the job that samples starts on the GPUs that it has been given, and stops."""

    kind: Literal["vllm"] = "vllm"
    tensor_parallel: int | None = Field(None, ge=1)  # GPUs of one replica; default: as few as hold the model
    gpu_memory: float = Field(0.9, gt=0, le=1)  # share of each GPU, as vLLM's own default is
    concurrency: int = Field(256, ge=1)  # requests in flight at each replica
    start_s: float = Field(1800.0, gt=0)  # longest start: loading, compiling
    timeout_s: float = Field(3600.0, gt=0)  # of one request
    restarts: int = Field(2, ge=0)  # of a replica that dies under way


def _named_engine(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


NamedEngine = Annotated[Engine, BeforeValidator(_named_engine)]  # `engine: vllm` in a study
