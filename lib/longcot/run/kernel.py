"""The kernel that notebooks run in."""

import os
import tempfile

from ipykernel.kernelspec import get_kernel_dict
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from traitlets import default


class OwnKernel(AsyncKernelManager):
    """A kernel of the interpreter that runs this, whatever else is installed as `python3` on the machine."""

    @property
    def kernel_spec(self) -> KernelSpec:
        """How the kernel is started."""
        return KernelSpec(**get_kernel_dict())

    @default("transport")
    def _sockets(self) -> str:
        """Files beside the connection file: a free port may be taken by the time that a busy machine has a kernel up.

        The path of one may have 107 bytes.
        """
        return "ipc" if len(os.fsencode(tempfile.gettempdir())) < 80 else "tcp"

    @default("connection_file")
    def _own_file(self) -> str:
        """A name that no other kernel has: without one, the sockets of all would be the same files in the project."""
        handle, name = tempfile.mkstemp(".json", "kernel-")
        os.close(handle)
        return name
