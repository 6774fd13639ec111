"""The simulated world: devices, step costs, microphone and loudspeaker on an integer sample clock."""
