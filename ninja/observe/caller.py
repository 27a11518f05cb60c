"""Who calls a module: the training that is watched, or somebody else."""

from threading import get_ident

import torch
from torch._C import _get_dispatch_mode  # pyright: ignore[reportAttributeAccessIssue]
from torch._C._functorch import peek_interpreter_stack
from torch.compiler import is_dynamo_compiling

PROXY = torch._C._TorchDispatchModeKey.PROXY  # pyright: ignore[reportAttributeAccessIssue]
"""What is there while `make_fx` traces, for `torch.func.linearize` too."""


class Caller:
    """Tells the calls of one thread's training from all others.

    Attributes:
        compiled: dynamo has traced a call through our hooks: if it met them again and again, it
            would compile what they are called from anew, and at last no more.
    """

    def __init__(self) -> None:
        self._thread = get_ident()
        self.compiled = False

    def enter(self) -> None:
        """The training is that of this thread."""
        self._thread = get_ident()

    def is_other(self) -> bool:
        """Whether dynamo, another thread, or a transformation or tracer of `torch.func` calls.

        A device has a thread of its own for backward passes, in which a checkpoint calls again.
        """
        if is_dynamo_compiling():
            self.compiled = True  # only written: what is read here becomes a guard
            return True
        if get_ident() != self._thread and torch._C._current_graph_task_id() < 0:
            return True
        return bool(peek_interpreter_stack()) or _get_dispatch_mode(PROXY) is not None

    def is_foreign(self) -> bool:
        """Whether that is so, or a call is traced or exported."""
        return self.is_other() or torch._C._is_tracing() or torch.compiler.is_compiling()
