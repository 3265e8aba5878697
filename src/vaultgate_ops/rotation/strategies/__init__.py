"""How a new value becomes valid and an old one stops being so; one class for each way.

Rules: a strategy knows its service and nothing of stages or tokens; the engine knows those and no service. Everything a
strategy does may be done again from any state in between.
"""
