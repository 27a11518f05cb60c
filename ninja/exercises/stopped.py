"""Where a learner's file stopped, in a line: what is still None, and which shapes met."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType

from torch import Tensor

from ninja.errors import NinjaError
from ninja.exercises.exercise import Names


@dataclass(frozen=True)
class Fault:
    """Why a file, or a function of it, did not come to its end.

    Attributes:
        line: of the file; 0 where there is none.
        said: what went wrong, in a line.
        rows: what was being computed; other names may be among them.
        shapes: the operation was given tensors whose shapes do not fit.
        reason: the exception's own words.
    """

    line: int
    said: str
    rows: tuple[str, ...] = ()
    shapes: bool = False
    reason: str = ""


_SHAPES = re.compile(
    r"shapes cannot be multiplied|must match the (existing )?size|is invalid for input of size"
    r"|expanded size|broadcast|(size|shape) mismatch|same shape|inconsistent tensor size"
)


def unreadable(error: SyntaxError | ValueError, source: str) -> Fault:
    """Of a file that is no Python."""
    line = (error.lineno or 0) if isinstance(error, SyntaxError) else 0
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    return Fault(line, f"Python cannot read it: {said}{_shown(source, line)}")


def stopped(
    error: BaseException, source: str, file: str, names: Names, rows: tuple[str, ...] = ()
) -> Fault:
    """The line of the learner's own file, and what is wrong there.

    Args:
        error: what was raised.
        source: the file's text, which Python can read.
        file: its name.
        names: what it has defined until then.
        rows: what was being computed; by default what the line would have given a value to.
    """
    line, seen = _where(error.__traceback__, file, names)
    statement = _statement(source, line)
    used = [] if statement is None else _used(statement)
    rows = rows or (() if statement is None else tuple(_given_a_value(statement)))
    reason = " ".join(str(error).split())
    shown = _shown(source, line)
    if isinstance(error, NinjaError):
        return Fault(line, reason, rows, reason=reason)
    if isinstance(error, SystemExit):
        return Fault(line, f"it ends here, by exit, before all is computed{shown}", rows)
    blank = [name for name in used if name in seen and seen[name] is None]
    if isinstance(error, TypeError | AttributeError) and "None" in reason and blank:
        are = "is" if len(blank) == 1 else "are"
        said = f"{' and '.join(blank)} {are} still None{shown}"
        return Fault(line, said, rows, reason=reason)
    said = f"{type(error).__name__}{shown}: {reason or 'no reason given'}"
    if isinstance(error, ValueError | RuntimeError | IndexError) and _SHAPES.search(reason):
        met = [f"{name} is {_shape(seen[name])}" for name in used if _shape(seen.get(name))]
        said = f"a shape mistake{shown}: {'; '.join([reason, *met])}"
        return Fault(line, said, rows, shapes=True, reason=reason)
    return Fault(line, said, rows, reason=reason)


def _shape(value: object) -> str:
    return str(tuple(value.shape)) if isinstance(value, Tensor) else ""


def _where(trace: TracebackType | None, file: str, names: Names) -> tuple[int, Names]:
    """The innermost line of the file, and what names mean there."""
    line, seen = 0, names
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            line = trace.tb_lineno
            seen = trace.tb_frame.f_globals | trace.tb_frame.f_locals
        trace = trace.tb_next
    return line, seen


def _shown(source: str, line: int) -> str:
    """The line itself, shortened."""
    lines = source.splitlines()
    text = lines[line - 1].strip() if 1 <= line <= len(lines) else ""
    short = text if len(text) <= 60 else f"{text[:59]}…"
    return f" in ‘{short}’" if short else ""


def _statement(source: str, line: int) -> ast.stmt | None:
    """The innermost statement that has this line."""
    around = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or node.lineno)
    ]
    return max(around, key=lambda node: node.lineno, default=None)


def _used(statement: ast.stmt) -> list[str]:
    """The names that it reads, from left to right."""
    nodes = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
    changed = isinstance(statement, ast.AugAssign)  # reads what it gives a value to
    read = [node for node in nodes if changed or isinstance(node.ctx, ast.Load)]
    return list(dict.fromkeys(n.id for n in sorted(read, key=lambda n: (n.lineno, n.col_offset))))


def _given_a_value(statement: ast.stmt) -> Iterator[str]:
    """The names, and in ``a[i] = b`` the a."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        if (
            isinstance(node, ast.Subscript)
            and isinstance(node.ctx, ast.Store)
            and isinstance(node.value, ast.Name)
        ):
            yield node.value.id
