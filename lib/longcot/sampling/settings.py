"""How a model is sampled, and on which servers; each default with its source."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

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
