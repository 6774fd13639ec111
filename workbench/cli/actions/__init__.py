"""Actions and output of each command."""
