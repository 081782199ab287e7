"""WebRTC in and out: the only package that knows aiortc. Knows `engine`, never `api`."""
