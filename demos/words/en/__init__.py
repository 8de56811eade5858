"""English words, one file per tab."""
