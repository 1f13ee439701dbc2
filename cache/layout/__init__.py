"""How a store lies on disk: schema, location, locks, fingerprint, the arrays of a shard."""
