"""Replay: a session through STT, LM and TTS on a virtual clock."""
