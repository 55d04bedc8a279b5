"""Between the audited cells and the snapshot: nobody who is in it can be told from it."""
