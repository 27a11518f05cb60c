"""Specification of the probes, one file a module."""
