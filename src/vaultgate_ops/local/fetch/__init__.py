"""The foreign programs of the local stack, found on this machine or brought to it: Vault, a database, the emulator."""
