"""The algorithm library: one file an algorithm, found by the registry from its declaration."""
