"""Ways of writing a store: shards, gaps filled, retries, a second backbone, several devices."""
