"""Command definitions: options and arguments; nothing heavy is imported."""
