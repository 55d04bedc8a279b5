"""The Python client: a thin, typed layer over MIP's HTTP API, for scripts and notebooks."""
