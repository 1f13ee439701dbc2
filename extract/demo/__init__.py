"""The generated demo world."""
