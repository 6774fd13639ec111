"""The assistants that can be simulated, one file each."""
