"""How a store lies on disk: schema, location, root, locks, fingerprints, the arrays of shards and of scores."""
