"""Who did what: a chain of entries for each node, which can only grow."""
