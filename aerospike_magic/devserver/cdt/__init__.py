"""Lists and maps: their order, the operations on them, and the contexts that lead to nested ones."""
