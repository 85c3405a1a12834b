"""The only package that imports pydicom and its kin."""
