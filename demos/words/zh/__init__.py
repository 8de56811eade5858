"""Chinese words, one file per tab."""
