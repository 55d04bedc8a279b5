"""The rules by which scans are chosen, as they come with MIP."""
