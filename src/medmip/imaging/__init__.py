"""From a scanner's files to volumes: scans are read, judged, freed of identifiers and kept."""
