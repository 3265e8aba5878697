"""Building the Lambda layer."""
