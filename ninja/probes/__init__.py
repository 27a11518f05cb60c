"""Probes: pure functions of one training step that return numbers per layer and replica.

They run on the steps that are due, over the leading replica dimension, and never synchronise: the
caller writes what they return, with one `tolist()` a step (`numbers`). A number that does not apply
is left out; one that is not a number is a finding.
"""

from ninja.probes.activity import activity_blocks, dead, delta_blocks
from ninja.probes.cadence import due, gap_due, histograms_due
from ninja.probes.cosine import cosine
from ninja.probes.gaps import Gaps, gaps
from ninja.probes.groups import Block, Cell
from ninja.probes.histograms import Histogram, histogram, histograms
from ninja.probes.layers import COLUMNS, Layer, layer_blocks, layer_rows, numbers, rule_kind
from ninja.probes.noise import noise_terms
from ninja.probes.norms import parameter_blocks, update_ratio
from ninja.probes.snapshot import Snapshot, copied
from ninja.probes.twins import is_twin

__all__ = [
    "COLUMNS",
    "Block",
    "Cell",
    "Gaps",
    "Histogram",
    "Layer",
    "Snapshot",
    "activity_blocks",
    "copied",
    "cosine",
    "dead",
    "delta_blocks",
    "due",
    "gap_due",
    "gaps",
    "histogram",
    "histograms",
    "histograms_due",
    "is_twin",
    "layer_blocks",
    "layer_rows",
    "noise_terms",
    "numbers",
    "parameter_blocks",
    "rule_kind",
    "update_ratio",
]
