"""Accepted volumes joined to the clinical rows of a published dataset, as its new version."""
