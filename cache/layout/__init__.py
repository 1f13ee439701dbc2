"""What the files of a store mean: schema, root, ledger, markers, fingerprints, the arrays of shards and of scores."""
