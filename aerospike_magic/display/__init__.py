"""What results, progress, plans and errors look like: in Jupyter, a terminal, Zeppelin, a saved notebook.

Everything here turns values into text or escaped HTML; nothing here runs a query or talks to a kernel, except
`live`, which writes a progress line that changes while it is looked at.
"""
