"""Stages: speech to text, language model, text to speech."""
