"""SQL by Trino or Presto over sets, in place: the cluster reads them through our gateway, this room asks and listens.

`endpoint` says which cluster, `flavor` what Trino and Presto do differently. `client` runs a statement over HTTP,
`types` and `columns` make Arrow of its pages. `statements` finds the tables of a statement, `tables` writes a set as
a subquery with its exact types, `literals` writes values. `engine` is the engine of a cell, `result` its rows,
`diagnose` its errors, `explain` its plans. The `trino` package is imported when it is used, for its ways to log in.
"""
