"""How a model is sampled, on which servers or engines, and a whole task of it; each default with its source."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from longcot.files.strict import Strict
from longcot.models.base import Base, Dtype
from longcot.problems.problem import Problem
from longcot.problems.prompts import AskedStyle, Edit, Prompt, Style, style_version
from longcot.problems.sources import ProblemSet
from longcot.sampling.prefill import Prefill


class Sampling(Strict):
    """How to sample. The defaults of temperature and top_p are the paper's."""

    temperature: float = Field(0.6, ge=0)  # 0: greedy
    top_p: float = Field(0.95, gt=0, le=1)  # the likeliest tokens that make up this share are sampled from
    max_tokens: int = Field(ge=1)  # of one response; less where the model's context leaves less after the prompt
    samples: int = Field(1, ge=1)  # for each problem
    batch_size: int = Field(64, ge=1)  # responses at once, in process
    seed: int = 0  # of all samples


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

    kind: Literal["vllm"] = "vllm"  # of an engine; `engine: vllm` says this alone
    tensor_parallel: int | None = Field(None, ge=1)  # GPUs of one replica; default: as few as hold the model
    replicas_per_gpu: int | None = Field(None, ge=1)  # servers on one GPU; default: several of a very small model
    gpu_memory: float = Field(0.9, gt=0, le=1)  # share of each GPU, as vLLM's own default is
    concurrency: int = Field(512, ge=1)  # requests in flight at each replica, 4 responses each; vLLM takes 256 to 1,024
    start_s: float = Field(1800.0, gt=0)  # longest start: loading, compiling
    timeout_s: float = Field(3600.0, gt=0)  # of one request
    restarts: int = Field(2, ge=0)  # of a replica that dies under way


def _named_engine(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


NamedEngine = Annotated[Engine, BeforeValidator(_named_engine)]  # `engine: vllm` in a study


class SampleTask(Strict):
    """One model, with or without an adapter, to be sampled on problems, and all that says how.

    Files are relative to the run directory, but the adapter's folder to the project.
    """

    name: str
    base: Base
    problems: ProblemSet | None = None  # what it is asked, in place of the job's
    adapter: str = ""  # the directory of a PEFT adapter on it
    context: int | None = None  # tokens of prompt and response together; default: what the model has
    server: Server | None = None  # where it is served; none: it is sampled in process
    engine: Engine | None = None  # what the job starts to sample it
    served_as: str = ""  # its name on a server or an engine
    style: AskedStyle = "zero_shot"
    edits: list[Edit] = []  # passes over the traces
    examples: str = ""  # a training set whose problems and traces stand in the prompt
    traces: str
    sampling: Sampling
    prompt: Prompt = Prompt()
    dtype: Dtype = "float32"  # in which an nf4 base is computed
    prefill: Prefill | None = None  # what its responses begin with
    prefill_traces: str = ""  # the file of the arm that it is taken from
    own: dict[str, Any] = {}  # what of the study's settings this arm replaces, for manifests

    @property
    def prompt_style(self) -> Style:
        """The style of its prompts: `few_shot` with examples."""
        return "few_shot" if self.examples else self.style

    def recipe(self, dtype: str, problems: Sequence[Problem], threads: int) -> dict[str, Any]:
        """What decides the content of the traces. Where it is served, and how hard a server is pressed, does not."""
        arm = self.base.recipe() | {key: getattr(self, key) for key in ("name", "adapter", "style", "traces")}
        arm |= {key: value for key in ("context", "edits", "examples") if (value := getattr(self, key))}
        arm |= {"prefill": self.prefill.said} if self.prefill else {}
        sampling = self.sampling.recipe()
        api = self.server.api if self.server else "completions" if self.engine else ""
        if api:
            del sampling["batch_size"]
        return {
            "arm": arm | self.own,
            "dtype": dtype,
            "sampling": sampling,
            "prompt": self.prompt.recipe(),
            "prompt_versions": [style_version(name) for name in (self.prompt_style, *self.edits)],
            "problems": [problem.model_dump() for problem in problems],
            **({"api": api} if api else {"threads": threads}),
        }
