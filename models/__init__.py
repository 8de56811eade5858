"""The methods: one file of mathematics each, which knows nothing of the screen."""
