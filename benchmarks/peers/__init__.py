"""The pages we compare with."""
