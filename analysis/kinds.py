"""One word a run: what it is called in figures, tables and the answer."""

import pandas as pd

HEALTHY, UNKNOWN = "healthy", "unknown"


def kinds(runs: pd.DataFrame) -> pd.Series:
    """Of each run "healthy", "unknown", or the class of its first finding.

    Args:
        runs: the table; see `analysis.tables.Records`.
    """
    found = runs["finding"].where(~runs["healthy"].fillna(True), HEALTHY)
    return found.where(runs["healthy"].notna(), UNKNOWN)
