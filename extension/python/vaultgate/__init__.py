"""Vaultgate's layer: one package for the extension's process and the function's, standard library only."""

__version__ = "0.1.0"
