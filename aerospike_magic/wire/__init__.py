"""The Aerospike protocol without I/O, both sides: bytes in, values out, and back."""
