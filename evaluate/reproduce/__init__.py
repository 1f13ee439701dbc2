"""The papers' tables, measured beside printed."""
