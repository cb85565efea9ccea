"""The hot loops of the server: numba, without the GIL, cached on disk.

One module a job: `layout` says how a record lies in the arena, `index` finds and orders records, `scan` picks them and
writes responses, `ripemd` computes digests, `load` builds records in bulk, `program` runs compiled filters.
"""
