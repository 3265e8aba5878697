"""Measurements. Each program here writes its figures, with the machine's facts, to ``build/bench/``."""
