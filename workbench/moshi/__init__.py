"""The real Moshi stack: everything that touches mlx, moshi_mlx, rustymimi and sentencepiece.

The modules, in the order they build on each other:

``tensors``     safetensors files: headers read and checked without loading, files written in fixed bytes
``layout``      the tensor names and shapes of Kyutai's files, from a configuration alone
``checkpoint``  a model directory: what is in it, and whether its files fit its configuration
``generate``    generated weights in that layout, for tests and for timing a machine
``hub``         model directories from the Hugging Face hub
``load``        modules with weights in them; private random state
``codec``       Mimi frame by frame, on rustymimi or moshi_mlx, with an exact reset
``stream``      the multi-stream LM step by step
``stt``, ``tts``, ``duplex``  the three roles
``voices``, ``doctor``        what the commands of the same name do

Importing this package imports none of the heavy ones: each module does so itself.
"""
