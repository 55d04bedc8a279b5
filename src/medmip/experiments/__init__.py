"""Runs: requests, their validation, states, results and provenance."""
