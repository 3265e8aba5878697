"""Rotating the passwords of database users that Secrets Manager keeps."""
