"""The comparison: Vault, Secrets Manager, Parameter Store and environment variables, measured side by side."""
