"""The command line: flags, one library call, words."""
