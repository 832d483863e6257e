"""What Vane costs and what its peers cost: one file a benchmark, each with `run() -> Result`.

``python -m benchmarks`` lists them, ``python -m benchmarks NAME --json FILE`` runs one, ``make bench`` runs all and
writes docs/performance.md.
"""
