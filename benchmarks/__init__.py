"""One module per question; run with `python -m benchmarks NAME [--quick]`."""
