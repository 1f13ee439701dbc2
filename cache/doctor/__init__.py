"""What ``avreplay doctor`` looks at that every floor shares: packages, the machine, the place of a store."""
