"""What `check_backward` found: a row a tensor, and one sentence for all of them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ninja.types import Shape

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Kind = Literal["input", "parameter"]
Status = Literal["right", "wrong", "kinks", "drowned", "skipped"]


@dataclass(frozen=True)
class Row:
    """One input or parameter.

    Attributes:
        name: as the function calls it, or the module.
        kind: which of the two.
        shape: of the tensor.
        status: right or wrong; kinks, where it is not differentiable at any element looked at;
            drowned, where rounding hides whether it is right; skipped, with the reason.
        checked: elements that were compared one by one; of more, also sums along random directions.
        kinks: elements left out, because the function has no derivative there.
        max_error: largest difference from the numerical gradient.
        size: largest element of the numerical gradient.
        reason: what is wrong, or why it was skipped; empty when it is right.
    """

    name: str
    kind: Kind
    shape: Shape
    status: Status
    checked: int = 0
    kinks: int = 0
    max_error: float = 0.0
    size: float = 0.0
    reason: str = ""


@dataclass(frozen=True)
class BackwardCheck:
    """The outcome of `check_backward`; true when the backward is right, and that could be seen.

    Attributes:
        passed: every tensor that could be checked is right, and torch's own check says so too.
        reason: the outcome in a sentence.
        rows: inputs, then parameters, in the order of the call.
        gap: ‖backward − numerical‖ / ‖numerical‖ over all elements compared; none where there are
            none.
        torch_agrees: what `torch.autograd.gradcheck` says; none where it was not asked.
        first_wrong: the first wrong tensor in the order of the backward: an input or a parameter,
            of the submodule whose own backward is wrong if there is one; none if nothing is, or no
            single tensor.
        module: path of that submodule, "" for the module itself; none for a function.
        notes: what else is to be said, a sentence each.
    """

    passed: bool
    reason: str
    rows: tuple[Row, ...]
    gap: float | None = None
    torch_agrees: bool | None = None
    first_wrong: str | None = None
    module: str | None = None
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """So that ``assert check_backward(...)`` reads as it should."""
        return self.passed

    def __str__(self) -> str:
        """The table and what is said below it, as plain text."""
        from io import StringIO

        from rich.console import Console

        text = StringIO()
        self.print(Console(file=text, width=100, color_system=None))
        return text.getvalue().rstrip()

    def print(self, console: "Console | None" = None) -> None:
        """Print the table, the sentence and the notes."""
        from rich.console import Console

        out = Console(highlight=False) if console is None else console
        out.print(self.table())
        out.print(self.reason, markup=False, highlight=False)
        for note in self.notes:
            out.print(f"note: {note}", markup=False, highlight=False)

    def table(self) -> "Table":
        """A row a tensor."""
        from rich.markup import escape
        from rich.table import Table

        table = Table()
        table.add_column("tensor")
        table.add_column("shape", no_wrap=True)
        table.add_column("checked", justify="right")
        table.add_column("error", justify="right")
        table.add_column("largest", justify="right")
        table.add_column("gradient")
        for row in self.rows:
            looked = row.status != "skipped"
            table.add_row(
                escape(row.name),
                "×".join(map(str, row.shape)) or "1",
                str(row.checked) if looked else "",
                f"{row.max_error:.1e}" if looked else "",
                f"{row.size:.1e}" if looked else "",
                escape(row.status if not row.reason else f"{row.status}: {row.reason}"),
                style={
                    "wrong": "red",
                    "kinks": "yellow",
                    "drowned": "yellow",
                    "skipped": "dim",
                }.get(row.status),
            )
        return table
