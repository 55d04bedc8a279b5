"""The heart: what may be added (Statistic), whose records (Cohort), the design matrix, the fold."""
