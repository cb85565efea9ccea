"""SQL of Trino and Presto over sets, in place: their own Thrift connector asks our gateway."""
