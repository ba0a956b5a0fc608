"""Potable: raw records scattered over many systems become one dataset that is safe to train on."""

__version__ = "0.1.0"
