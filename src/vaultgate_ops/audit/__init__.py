"""The audit mirror: Vault's file audit devices in CloudWatch Logs, at least once and byte for byte."""
