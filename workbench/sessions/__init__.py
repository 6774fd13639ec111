"""Sessions on disk: tracks, labels, imports."""
