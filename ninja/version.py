"""The version of the package, for those who must not wait for more of it."""

__version__ = "0.1.0"
