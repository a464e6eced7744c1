"""What weights may be and how they start: sign rules, connections, fixed entries, initialisers."""
