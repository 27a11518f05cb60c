"""`ninja.check_backward`: for those who write their own `autograd.Function`, layer or function."""

from ninja.backward_check.check import check_backward
from ninja.backward_check.result import BackwardCheck, Row

__all__ = ["BackwardCheck", "Row", "check_backward"]
