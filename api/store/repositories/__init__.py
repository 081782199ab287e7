"""The questions that the product asks of its store, one module for each kind of document."""
