"""W&B's "Gradient health": a workspace and a report, as code.

`runs` reads what there is to show, `panels` says what of it, `workspace` and `report` put that into
W&B's form. `build` does this in a process of its own, the only one that loads W&B, and saves it
where there is a server; `save` starts that process and keeps the specification; `command` prints.
"""
