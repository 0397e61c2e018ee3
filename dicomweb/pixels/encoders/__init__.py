"""The encoders: each turns samples into the bytes of one frame, and knows only its own encoding."""
