"""A module a family of algorithms: each rival's way to an analysis, and the tasks."""
