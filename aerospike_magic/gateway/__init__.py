"""Trino's and Presto's Thrift service over Aerospike sets: any stock cluster queries them, without a plug-in of ours.

From the bottom up: `thrift` (bytes ↔ values), `messages` (the service's structures), `blocks` (Arrow ↔ blocks),
`server` (connections and threads); `tables`, `filters`, `splits`, `cursors` and `service` say what is answered.
"""
