"""Marketing content: from a vehicle's facts to copy that says nothing else."""
