"""What a user turn and an answer are, for the replay and for the live run."""
