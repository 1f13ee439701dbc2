"""Encoders of pictures, sound and text: the type, the registry of names, and those that ship with the package."""
