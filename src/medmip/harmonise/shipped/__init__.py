"""Mappings that come with MIP."""
