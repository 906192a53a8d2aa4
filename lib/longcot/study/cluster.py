"""How to sample and how to train: strict models without heavy imports, so that a study is read in no time."""

from pydantic import Field

from longcot.files.strict import Strict

CLUSTER_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.,-]*$"  # of a partition, an account: no flag


class Request(Strict):
    """What a job asks a cluster for. What is left out is not asked for."""

    memory_mb: int | None = Field(None, ge=1)  # of the machine, not of the GPU
    runtime_minutes: int | None = Field(None, ge=1)  # after which the cluster may end it
    partition: str | None = Field(None, pattern=CLUSTER_NAME)  # of the cluster
    account: str | None = Field(None, pattern=CLUSTER_NAME)  # that pays


class GpuRequest(Request):
    """What a job that holds a model asks for."""

    gpus: int | None = Field(None, ge=1)  # of one machine


class Jobs(Request):
    """How the work is cut, and what each job asks for. Of this, results depend on the threads of a job alone.

    What `sampling` and `training` say holds for the jobs that sample in process and that train, in place of what is
    said for all: no plot waits for a GPU, and no client of a server.
    """

    threads: int = Field(1, ge=1)  # of a job
    arms_per_job: int = Field(4, ge=1)  # at most
    per_gpu: int = Field(1, ge=1)  # how many share a GPU of this machine; small models leave most of it idle
    memory_mb: int = Field(2000, ge=1)  # of the machine, for a job
    sampling: GpuRequest = GpuRequest()  # what jobs ask for that sample in process or start an engine
    training: GpuRequest = GpuRequest()  # what jobs ask for that train

    def request(self, own: GpuRequest | None = None) -> GpuRequest:
        """What a job asks for of which `own` is said, or nothing of its own."""
        given = self.model_dump(include=set(Request.model_fields), exclude_none=True)
        return GpuRequest(**given | (own.model_dump(exclude_none=True) if own else {}))
