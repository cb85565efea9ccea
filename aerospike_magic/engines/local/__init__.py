"""DuckDB over Aerospike sets, in this process.

A statement goes through `parameters` (values bound), `statements` (it only reads), `tables` (its names found and made
views), `filters` (what its text implies), and then to DuckDB in a thread of its own (`result`), which reads sets
through `source`. `diagnose` turns what DuckDB refuses into one line with a place.
"""
