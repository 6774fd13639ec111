"""User turns and answers, for the replay and for the live run."""
