"""The record-count function: how many rows a table has, read with a credential that was made for it a moment ago."""
