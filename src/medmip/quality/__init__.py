"""Whether a dataset is fit for analysis: what is measured, the report, what blocks it."""
