"""Synthetic cohorts for the demonstration: invented patients, published orders of magnitude."""
