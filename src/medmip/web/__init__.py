"""The HTTP face: API under /api/v1, the built portal, health and metrics."""
