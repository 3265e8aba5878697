"""The local stack: real parts on this machine, on ports from the kernel, all state under one folder."""
