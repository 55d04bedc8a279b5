"""MIP: privacy-preserving analysis of clinical data inside the hospital that holds it."""
