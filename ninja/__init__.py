"""Every gradient of a network by hand, tensor by tensor, and the proof that autograd agrees."""

__version__ = "0.1.0.dev0"
