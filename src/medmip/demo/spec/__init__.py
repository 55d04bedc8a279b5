"""What the synthetic cohorts are like, as tables."""
