"""One page that shows a sweep or a run: numbers, curves, pictures; it needs no network."""
