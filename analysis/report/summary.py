"""A row a run, for whoever takes the numbers elsewhere."""

import math

from analysis.report.axes import order
from analysis.tables import Records

FORMULA = ("=", "+", "-", "@", "\t", "\r")


def summary(records: Records) -> bytes:
    """CSV: all columns of the table of runs. Numbers are whole."""
    text = records.runs.map(_text).to_csv(index=False, lineterminator="\n")
    return text.encode()


def _text(value: object) -> object:
    """A spreadsheet takes what begins so for a formula; a quote before it makes it text."""
    if isinstance(value, str) and value[:1] in FORMULA and math.isinf(order(value)[0]):
        return f"'{value}"
    return value
