"""The algorithm author's kit: run on made-up columns, check, and begin a new algorithm."""
