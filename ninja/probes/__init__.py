"""Probes: pure functions of one training step that return numbers per layer and replica.

They run on the steps that are due, over the leading replica dimension, and bring what they found to
the host as one array a kind. A number that does not apply is left out; one that is not a number is
a finding.
"""

from ninja.probes.blocks import Block, Cell, Place, Values, numbers, places, rule_kind
from ninja.probes.cadence import NOTHING, Due, due
from ninja.probes.close import close_blocks
from ninja.probes.columns import Columns, Subjects, update_ratio
from ninja.probes.cosine import cosine
from ninja.probes.gaps import Gaps
from ninja.probes.histograms import Histogram, histogram, histograms
from ninja.probes.layers import Layers
from ninja.probes.noise import noise_terms
from ninja.probes.pending import LOOKS, Pending
from ninja.probes.snapshot import Snapshot, copied
from ninja.probes.twins import is_twin

__all__ = [
    "LOOKS",
    "NOTHING",
    "Block",
    "Cell",
    "Columns",
    "Due",
    "Gaps",
    "Histogram",
    "Layers",
    "Pending",
    "Place",
    "Snapshot",
    "Subjects",
    "Values",
    "close_blocks",
    "copied",
    "cosine",
    "due",
    "histogram",
    "histograms",
    "is_twin",
    "noise_terms",
    "numbers",
    "places",
    "rule_kind",
    "update_ratio",
]
