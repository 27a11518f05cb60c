"""Four published rule sets, re-expressed on our records. See each for its thresholds and sources.

Their authors watch Keras, TensorFlow or stored tensors; here each rule reads the same number of the
same tensor, taken at our looks (`benchmarks.diagnosis.extras`). Each look stands for what a rule
calls an epoch, a period or a saved step.
"""

from benchmarks.diagnosis.rivals.autotrainer import AUTOTRAINER
from benchmarks.diagnosis.rivals.deepchecker import DEEPCHECKER
from benchmarks.diagnosis.rivals.deepdiagnosis import DEEPDIAGNOSIS
from benchmarks.diagnosis.rivals.rule import Rival
from benchmarks.diagnosis.rivals.sagemaker import SAGEMAKER

RIVALS: tuple[Rival, ...] = (DEEPCHECKER, DEEPDIAGNOSIS, AUTOTRAINER, SAGEMAKER)
"""All of them."""
