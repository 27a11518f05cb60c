"""``python -m analysis dashboard``."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ninja.commands import add_runs

if TYPE_CHECKING:
    from analysis.dashboard.runs import Project
    from analysis.dashboard.save import Saved

OUT = Path("reports/dashboard.json")


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "dashboard", help="build W&B's workspace and report of the runs, and save them"
    )
    parser.set_defaults(run=run)
    add_runs(parser, "of a run, a study, or all studies (outputs)")
    parser.add_argument(
        "--out",
        type=Path,
        default=OUT,
        metavar="FILE",
        help=f"where the specification is written ({OUT})",
    )
    parser.add_argument("--json", action="store_true", help="print an object, not lines")


def run(options: argparse.Namespace) -> int:
    """Exit code 2 when the server fails, or a run is damaged; what can be written is written."""
    from analysis.dashboard.runs import DashboardError, projects
    from analysis.dashboard.save import save

    found, damaged = projects(options.path)
    saved = save(found, options.out)
    if options.json:
        print(json.dumps(_object(found, saved, options.out, damaged), indent=1))
    else:
        _print(found, saved, options.out)
    faults = list(damaged)
    if saved.failed is not None:
        faults.append(
            f"{saved.failed}: the specification is in {str(options.out)!r}, type it again later"
        )
    if faults:
        raise DashboardError("\n".join(faults))
    return 0


def _object(
    found: "Sequence[Project]", saved: "Saved", out: Path, damaged: Sequence[str]
) -> dict[str, Any]:
    return {
        "file": str(out),
        "dashboards": [
            {
                "entity": project.entity,
                "project": project.name,
                "runs": project.counts,
                "sections": _sections(spec),
            }
            for project, spec in zip(found, saved.specs, strict=True)
        ],
        "saved": saved.addresses,
        "failed": saved.failed,
        "not_sent": saved.reason,
        "damaged": [*damaged],
    }


def _sections(spec: Any) -> dict[str, int]:
    """Panels of each section of a workspace."""
    bank = spec["workspace"]["spec"]["section"]["panelBankConfig"]
    return {section["name"]: len(section["panels"]) for section in bank["sections"]}


def _print(found: "Sequence[Project]", saved: "Saved", out: Path) -> None:
    for project, spec in zip(found, saved.specs, strict=True):
        counts = ", ".join(f"{number} {name}" for name, number in project.counts.items())
        sections = _sections(spec)
        print(f"{project.name}: {len(project.runs)} runs ({counts})")
        print(f"  {sum(sections.values())} panels: {', '.join(sections)}")
    for address in saved.addresses:
        print(f"  workspace {address['workspace']}\n  report    {address['report']}")
    print(f"specification in {out}")
    if saved.reason is not None:
        print(
            f"not sent ({saved.reason}): with WANDB_API_KEY, and WANDB_BASE_URL for a server of "
            "your own, the same command saves it there"
        )
    missing = [run for project in found for run in project.runs if not run.there]
    if missing:
        are = "run is" if len(missing) == 1 else "runs are"
        print(f"{len(missing)} {are} not at the server, or not all of them: make sync")
    offline = [run for run in missing if run.offline]
    if offline:
        print(f"offline runs in the terminal: .venv/bin/wandb leet {offline[0].folder}/wandb")
