"""Claim to be judged: the synthetic world holds the real one. Synthetic beside real slices, in pictures and numbers.

    python -m benchmarks.world --real PATH --out runs/world

Prints Markdown tables (also written to ``world.md``) and draws contact sheets, which hold real slices and are
never committed. Both sides go through ``ct.prepare.prepare_slice``; beside pictures, synthetic slices are made
pictures first (window 40/120, 650 px, 8 bits, JPEG). Without ``--real`` it does the synthetic side alone.

PATH holds ``ctich-dev/`` (``images/PPP_SS.jpg``, ``labels.csv``) and ``dicom/<series>/*.dcm``.
"""
