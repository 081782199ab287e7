"""Speech recognition: one worker process that serves every session of a node."""
