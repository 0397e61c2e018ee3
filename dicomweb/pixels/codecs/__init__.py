"""The codecs: each turns the bytes of one frame into samples, and knows only its own encoding."""
