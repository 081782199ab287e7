"""Sentences as vectors, made by a process of its own."""
