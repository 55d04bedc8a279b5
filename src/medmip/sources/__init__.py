"""From a hospital's own database to a published dataset, by the road of files."""
