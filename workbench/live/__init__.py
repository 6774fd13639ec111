"""The live assistant: the replay's own listener, stages and chunker on frames that come from a microphone.

Only two things differ from a replay: where frames come from (:class:`~workbench.live.microphone.LiveMicrophone`), and
what gives the time and plays the answers (:class:`~workbench.live.loudspeaker.Playback`). With the simulated playback,
which draws what each step costs as a replay does, a live run of a session's frames gives the trace that its replay
gives; with real devices time is what passes.
"""
