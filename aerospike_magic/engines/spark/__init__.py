"""Spark SQL in place: a Python data source on the scan core, and a small jar that plans its push-down."""
