"""Data models: common data elements, their groups, levels, bounds and units; and the home folder."""
