"""One call's pipeline: frames in, events out. No network, no web framework, no database."""
