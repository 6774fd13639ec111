"""The simulated environment: devices, step costs, microphone and loudspeaker on an integer sample clock."""
