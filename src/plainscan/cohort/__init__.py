"""Which slices are in, and on which side of the split. Pure: tables in, tables out; no I/O."""
