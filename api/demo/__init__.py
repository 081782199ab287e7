"""The bundled practice call: its script, how it is rendered, and what it should raise."""
