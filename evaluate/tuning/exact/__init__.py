"""The exact response around a setting: what of AV²A needs no sampling, for the results, the page and `response`."""
