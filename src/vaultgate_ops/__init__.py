"""Everything of Vaultgate that does not ride in the layer: the local stack, bootstrap, functions and the command line."""
