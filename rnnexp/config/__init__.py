"""Configuration: where it is looked up, how it is checked, and how objects are built from it."""
