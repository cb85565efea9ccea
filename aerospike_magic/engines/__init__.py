"""SQL engines over Aerospike sets: what they all offer is in `base`, each engine is a folder.

The folders have the same file names, so that comparing folders compares engines: `engine` (the queries), `source` (a
set as the engine reads it), `filters` (the engine's filters as predicates), `types` (Arrow in its terms). What engines
share is here: `lexer` and `parameters` for their SQL, `values` for what is bound, `frames` and `memory` for results.
"""
