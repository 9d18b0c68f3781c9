"""The claims of VITO's paper, tried on methods of several runs in the micro-world."""
