"""`make bench-federation`: what a federation of real agents costs, over its broker with TLS."""
