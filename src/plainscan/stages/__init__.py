"""One module per stage: reads tables, calls the pure parts, writes one artefact and its run record."""
