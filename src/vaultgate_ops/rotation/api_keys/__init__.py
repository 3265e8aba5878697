"""Rotates the keys of an HTTP API that allows two of them: one described in the secret, or by somebody's four functions."""
