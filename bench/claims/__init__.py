"""The claims of VITO's paper, tested in the micro-world with several runs of each method."""
