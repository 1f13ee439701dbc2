"""What a search's result is worth on other videos: cross-validation of the whole search, bootstrap of the optimum, a
setting that does not sit on a spike, and the region around it that is as good."""
