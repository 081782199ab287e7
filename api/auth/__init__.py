"""Who somebody is and what they may do: keys, passwords, tokens, roles, limits."""
