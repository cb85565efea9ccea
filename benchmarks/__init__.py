"""Every speed claim in the README, measured: `make bench`, or `python -m benchmarks --only a,b`.

One module a measurement (`measurements.py` lists them), each with `measure(target, repeat) -> Measurement`. The
contenders of a comparison take turns within one run, after a warm-up that does not count, and the best of several
repetitions counts for each of them: other programs on the machine only ever add time.
"""
