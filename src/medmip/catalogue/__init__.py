"""Data models: common data elements, their groups, levels, bounds, units; and the home folder."""
