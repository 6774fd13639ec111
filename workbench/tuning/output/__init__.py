"""Files that a study writes: the assistant's config, the checklist, the result file."""
