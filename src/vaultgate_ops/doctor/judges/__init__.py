"""What was seen, judged: pure functions from facts to verdicts, one module for each part of the way to a secret."""
