"""Coaching: what is made of past calls, by people and for them."""
