"""Jobs outside a call: vehicle photos and uploaded calls, in a lane of their own."""
